"""Every registered component keeps every promise of its contract."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from benchmark import registry
from benchmark.conformance import check, promises_of
from benchmark.conformance.environments import env_presets
from benchmark.conformance.methods import method_declares_what_it_reads
from benchmark.conformance.policies import policy_ignores_padding, policy_rows_are_independent
from benchmark.contracts.environment import Dataset, Simulator
from benchmark.contracts.method import BatchSpec
from benchmark.contracts.policy import Policy
from benchmark.contracts.presets import component_config
from benchmark.contracts.specs import EnvSpec
from benchmark.core.errors import BenchmarkError, UnknownName
from tests.toy import Toy

COMPONENTS = [r.get(name) for r in (registry.methods(), registry.policies(), registry.envs()) for name in r.names()]
CASES = [(cls, promise) for cls in [*COMPONENTS, Toy] for promise in promises_of(cls)]


@pytest.mark.parametrize(("cls", "promise"), CASES, ids=[f"{c.name}-{p.__name__}" for c, p in CASES])  # type: ignore[attr-defined]
def test_promise(cls: Any, promise: Callable[[type], None]) -> None:
    config = component_config(cls, "smoke", cls.name if issubclass(cls, Simulator) else "kitchen")
    if not issubclass(cls, Dataset | Policy) and (reason := cls.unavailable_reason(config)):
        pytest.skip(reason)
    promise(cls)


def test_a_broken_component_is_told_what_is_wrong() -> None:
    class Noisy(Toy):
        name = "noisy"

        def score(self) -> dict[str, float]:
            return {"something else": 1.0}

    errors = {result.promise.split(",")[0]: result.error for result in check(Noisy) if result.error}
    assert any("lacks the metric 'reached'" in error for error in errors.values())


def test_a_policy_whose_rows_know_of_each_other_is_told() -> None:
    mlp: Any = registry.policies().get("mlp")

    class Shared(mlp):
        def act(self, features: Any, goal: Any, rngs: Any) -> Any:
            return super().act(features, goal, rngs) + torch.rand(1, generator=rngs[0])

    policy_rows_are_independent(mlp)
    with pytest.raises(AssertionError, match="not close"):
        policy_rows_are_independent(Shared)


def test_a_policy_that_learns_from_padding_is_told() -> None:
    class Padded(registry.policies().get("mlp")):  # type: ignore[misc]
        def loss(self, batch: Any, rng: Any) -> Any:
            return super().loss(replace(batch, valid=torch.ones_like(batch.valid)), rng)

    with pytest.raises(AssertionError, match=r"with other actions in padded steps the loss is .* leave out what is not valid"):
        policy_ignores_padding(Padded)


def test_a_method_that_reads_what_it_does_not_declare_is_told() -> None:
    class Peeps(registry.methods().get("inverse_dynamics")):  # type: ignore[misc]
        name = "peeps"

        @classmethod
        def batch_spec(cls, config: Any) -> BatchSpec:
            return replace(super().batch_spec(config), actions=False)

    with pytest.raises(AssertionError, match=r"loss\(batch, rng\) reads batch.actions.*BatchSpec\(actions=True\)"):
        method_declares_what_it_reads(Peeps)


@pytest.mark.parametrize("target", [0.0, 1.5])
def test_a_target_of_the_state_that_nothing_can_miss_or_reach_is_refused(target: float) -> None:
    class Odd(Toy):
        name = "odd"

        @classmethod
        def spec(cls, config: Any) -> EnvSpec:
            return replace(super().spec(config), state_target=target)

    with pytest.raises(AssertionError, match="the state's target lies outside"):
        env_presets(Odd)


def test_every_simulator_says_what_its_state_has_to_reach() -> None:
    for name in registry.envs().names():
        cls = registry.envs().get(name)
        spec = cls.spec(cls.Config())
        if issubclass(cls, Simulator):
            assert spec.state_target is not None, name
            assert spec.state_target < spec.expert_target, f"{name}: a policy cannot be asked for more than its demonstrator"


def test_importing_components_imports_no_simulator() -> None:
    simulators = ("mujoco", "gymnasium", "gymnasium_robotics", "pybullet", "pymunk", "gym_pusht", "OpenGL")
    asked = "registry.envs().names(); registry.methods().names(); registry.policies().names()"
    code = f"import sys; from benchmark import registry; {asked}; print([m for m in {simulators} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_names_get_suggestions_and_clashes_are_refused() -> None:
    with pytest.raises(UnknownName, match="did you mean kitchen"):
        registry.envs().get("kitchn")

    class Impostor(Toy):
        name = "kitchen"

    with pytest.raises(BenchmarkError, match="two environments are named 'kitchen'"):
        registry.envs().add(Impostor)
    with pytest.raises(BenchmarkError, match="not a subclass of Environment"):
        registry.envs().add(int)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("key", "module", "message"),
    [
        ("paper/kitchn", "benchmark.methods.mine", "did you mean kitchen"),
        ("papr/kitchen", "benchmark.methods.mine", "did you mean paper"),
        ("papr", "benchmark.methods.mine", "did you mean paper"),
        ("paper/roboworld", "benchmark.methods.mine", "Known: block_push"),
        ("paper/kitchn", "someones_package.mine", "did you mean kitchen"),
        ("paper/roboworld", "someones_package.mine", None),  # of a third package, which is not installed here
        ("paper/kitchen", "benchmark.methods.mine", None),
    ],
)
def test_a_misspelt_preset_is_not_ignored(key: str, module: str, message: str | None) -> None:
    for base in (registry.methods().get("byol"), registry.policies().get("mlp"), Toy):
        mine = type("Mine", (base,), {"name": "mine", "presets": {key: {}}, "__module__": module})
        (presets,) = (promise for promise in promises_of(mine) if promise.__name__.endswith("presets"))
        if message is None:
            presets(mine)
        else:
            with pytest.raises(UnknownName, match=rf"mine.presets\['{key}'\].*{message}"):
                presets(mine)


@pytest.mark.parametrize(
    ("score", "message"),
    [
        ({"task/left": 0.0, "task/right": 0.0}, "has task/.*, which the episode does not ask for"),
        ({}, "lacks task/"),
    ],
    ids=["others", "none"],
)
def test_an_episode_that_asks_for_one_task_says_nothing_of_others(score: dict[str, float], message: str) -> None:
    mine = type("Mine", (Toy,), {"name": "mine", "score": lambda self: {"reached": float(self._reached), **score}})
    (observations,) = (promise for promise in promises_of(mine) if promise.__name__ == "env_observations")
    with pytest.raises(AssertionError, match=message):
        observations(mine)
    observations(Toy)


def test_a_misspelt_preset_of_stages_is_not_ignored() -> None:
    mine = type("Mine", (Toy,), {"name": "mine", "stage_presets": {"quik": {"fit.steps": "9"}}})
    (presets,) = (promise for promise in promises_of(mine) if promise.__name__.endswith("presets"))
    with pytest.raises(UnknownName, match=r"mine\.stage_presets.*did you mean quick"):
        presets(mine)


def test_a_policy_is_given_what_its_inputs_name() -> None:
    class Reads(registry.policies().get("mlp")):  # type: ignore[misc]
        name = "reads"
        inputs = ("features", "proprio", "language")

        def act(self, features: Any, goal: Any, rngs: Any, *, proprio: Any = None, language: Any = None) -> Any:
            assert proprio.shape == (len(features), self.config.history, self.spec.proprio_dim)
            assert language.shape == (len(features), self.spec.language_dim)
            return super().act(features, goal, rngs)

    class Misspelt(Reads):
        name = "misspelt"
        inputs = ("features", "propio")

    assert [result.error for result in check(Reads) if result.error] == []
    assert "did you mean proprio" in str([result.error for result in check(Misspelt)])


def test_a_data_set_that_breaks_its_word_is_told() -> None:
    """Its second demonstration leaves the bounds; its third reading differs from the first."""
    recording: Any = registry.envs().get("recording")

    class Loose(recording):
        name = "loose"

        @classmethod
        def import_demonstrations(cls, config: Any) -> Any:
            for number, episode in enumerate(super().import_demonstrations(config)):
                episode.actions[0] += 100 * (number == 1)
                yield episode

    class Drawn(recording):
        name = "drawn"

        @classmethod
        def import_demonstrations(cls, config: Any) -> Any:
            for episode in super().import_demonstrations(config):
                yield replace(episode, frames=np.random.permutation(episode.frames))  # noqa: NPY002

    assert [result.error for result in check(recording)] == [None] * len(promises_of(recording))
    assert "demonstration 1 leaves the action bounds" in str([result.error for result in check(Loose)])
    assert "a global generator moved" in str([result.error for result in check(Drawn)])
