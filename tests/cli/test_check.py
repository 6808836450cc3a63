"""`check`: all faults of a promise, where they are, under the settings that are named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmark import registry
from benchmark.cli.main import main
from benchmark.conformance import check
from benchmark.conformance.common import Faults
from tests.toy import Toy


def errors(cls: type, config: Any = None) -> dict[str, str]:
    """First words of a promise -> what was wrong."""
    return {" ".join(r.promise.split()[:2]).rstrip(","): r.error for r in check(cls, config) if r.error}


class Unexpert(Toy):
    name = "unexpert"
    sources = ("recorded",)
    expert = Toy.__mro__[1].expert  # that of the contract: there is none


def test_every_fault_of_an_observation_is_told_with_its_step() -> None:
    class Wrong(Unexpert):
        name = "wrong"

        def render(self) -> np.ndarray:
            return super().render().astype(np.float32)[:, :16]

        def proprio(self) -> np.ndarray:
            return super().proprio().astype(np.float64)

        def score(self) -> dict[str, float]:
            return {**super().score(), "reached": 2.0 * self._steps}

    told = errors(Wrong)["Frames, state"].splitlines()
    assert "frames at step 0, after reset(seed): render() gave numbers of type float32, promised is uint8" in told
    assert any("(1, 16, 32, 3), promised are 1 views (top) of 32 x 32 pixels" in line for line in told)
    assert any(line.startswith("proprio at step 0") and "float64" in line for line in told)
    assert "score at step 1: reached is 2, metric_range is 0 to 1" in told
    assert not any("score at step 0" in line for line in told)


def test_an_error_of_the_component_names_its_own_line() -> None:
    class Breaks(Unexpert):
        name = "breaks"

        def state(self) -> np.ndarray:
            return np.linalg.inv(np.zeros((2, 3)))  # fails in a file of numpy's

    [told] = {message for message in errors(Breaks).values() if message.startswith("LinAlgError")}
    assert "(in state, test_check.py:" in told


def test_what_differs_between_two_episodes_of_a_seed_is_named_with_the_first_step() -> None:
    class Drifts(Unexpert):
        name = "drifts"

        def state(self) -> np.ndarray:
            return super().state() + np.float32(self._episodes * (self._steps >= 3))

    assert "states differ from step 3 on" in errors(Drifts)["The seed"]
    assert "frames" not in errors(Drifts)["The seed"]


def test_a_simulator_without_an_expert_keeps_its_promises() -> None:
    assert not Unexpert.has_expert()
    assert Toy.has_expert()
    assert errors(Unexpert) == {}


def test_the_preset_and_overrides_are_those_of_the_component(toy: type[Toy], monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr("benchmark.conformance.check", lambda cls, config: seen.append((cls, config)) or iter(()))
    assert main(["check", "toy", "--preset", "quick", "env.toy.resolution=48"]) == 0
    assert main(["check", "mlp", "policy.mlp.depth=5"]) == 0
    assert main(["check", "dynamo", "--preset", "paper", "method.dynamo.layers=1"]) == 0
    assert (seen[0][0], seen[0][1].episodes, seen[0][1].resolution) == (toy, 12, 48)
    assert (seen[1][1].depth, seen[1][1].hidden) == (5, 32)
    assert (seen[2][1].layers, seen[2][1].width) == (1, 64)


def test_the_config_is_the_one_that_is_checked() -> None:
    class Large(Unexpert):
        name = "large"

        def render(self) -> np.ndarray:
            return super().render()[:, :32, :32]

    assert errors(Large) == {}
    assert "of 48 x 48 pixels" in errors(Large, Toy.Config(resolution=48))["Frames, state"]


def test_check_sets_mujocos_way_to_draw(toy: type[Toy], monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    monkeypatch.setenv("MUJOCO_GL", "")
    monkeypatch.setattr("benchmark.simulation.drawing.gl_backend", lambda: "osmesa")
    monkeypatch.setattr("benchmark.conformance.check", lambda cls, config: iter(()))
    assert main(["check", "toy"]) == 0
    assert os.environ["MUJOCO_GL"] == "osmesa"


def test_faults_are_collected_and_an_exception_ends_them() -> None:
    with pytest.raises(AssertionError, match=r"^one\nthree\nthen KeyError: 'x'$"), Faults() as faults:
        faults.ensure(False, "one")
        faults.ensure(True, "two")
        faults.ensure(False, "three")
        raise KeyError("x")
    with pytest.raises(KeyError), Faults():
        raise KeyError("x")


def test_a_method_without_presets_gets_the_width_and_the_batch_of_the_preset() -> None:
    from benchmark.contracts.method import Method
    from benchmark.contracts.presets import component_config
    from benchmark.models.encoders import WIDTHS

    class Bare(Method):
        name = "bare"

    for preset, width in WIDTHS.items():
        assert component_config(Bare, preset, "kitchen").width == width
    assert component_config(Bare, "smoke", "kitchen").batch_size == 16
    learning = [cls for name in registry.methods().names() if (cls := registry.methods().get(name)).learns]
    assert all("smoke" in cls.presets for cls in learning)


def test_an_expert_that_is_asked_for_and_absent_is_said(toy: type[Toy]) -> None:
    from benchmark.planning.recipes import make_plan
    from benchmark.planning.request import Request

    class Expertless(Unexpert):
        name = "expertless"
        sources = ("scripted", "recorded")

    registry.envs().add(Expertless)
    try:
        plan = make_plan(Request(methods=("random",), envs=("expertless",), policies=("mlp",), preset="smoke"))
        assert plan.cells[0].refused == "expertless has no scripted expert: env.expertless.demonstrations=recorded"
    finally:
        registry.envs().remove("expertless")


def test_the_experts_type_is_only_needed_where_there_is_one() -> None:
    with pytest.raises(NotImplementedError, match="has no scripted expert"):
        Unexpert(Toy.Config(resolution=32)).expert(0)
