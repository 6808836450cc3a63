"""Visual shift: drawn per episode, the same every time, and nothing but images."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmark.cli.main import main
from benchmark.contracts.specs import EnvSpec
from benchmark.planning.config.schema import SHIFTS
from benchmark.simulation.protocol import Slots
from benchmark.simulation.rollout import rollout
from benchmark.simulation.shift import STRENGTHS, Shift
from tests.toy import Toy, ToyConfig

SPEC: EnvSpec = Toy.spec(ToyConfig())


def image(views: int = 1, side: int = 48) -> np.ndarray:
    """Smooth, so that a small motion changes it little."""
    down, across = np.meshgrid(np.linspace(0, 3, side), np.linspace(0, 3, side), indexing="ij")
    colours = np.stack([np.sin(down), np.cos(across), np.sin(down + across)], -1)
    return np.stack([np.uint8(120 + 60 * colours)] * views)


def distance(strength: str) -> float:
    frames = image()
    return float(np.mean([np.abs(Shift(strength, seed, 1)(frames).astype(float) - frames).mean() for seed in range(40)]))


def test_names_and_the_absence_of_a_shift():
    assert ("none", *STRENGTHS) == SHIFTS
    assert Shift.draw("none", 0, SPEC) is None


def test_stronger_shifts_change_more():
    mild, medium, strong = (distance(strength) for strength in STRENGTHS)
    assert 1 < mild < medium / 1.5 < strong / 2


def test_an_episode_keeps_its_shift_and_another_has_another():
    frames = np.stack([image(2), image(2)])
    one, again, other = (Shift("strong", seed, 2)(frames) for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert np.array_equal(one[0], one[1]), "all frames of an episode are seen through the same shift"
    assert not np.array_equal(one, other)
    assert not np.array_equal(one[0, 0], one[0, 1]), "each camera is moved by itself"
    assert one.dtype == np.uint8
    assert one.shape == frames.shape


def test_a_camera_turns_about_the_middle_and_sees_no_black_border():
    frames = np.full((1, 49, 49, 3), 200, np.uint8)
    frames[0, 22:27, 22:27] = 0
    shift = Shift("strong", 3, 1)
    shift._gain, shift._side = np.ones(3), np.zeros(2)
    camera = shift._cameras[0]
    camera._things, camera._move = [], np.zeros(2)
    moved = shift(frames)[0]
    dark = np.argwhere(moved[..., 0] < 100)
    np.testing.assert_allclose(dark.mean(0), (24, 24), atol=0.6)
    assert (moved[[0, -1]] == 200).all()
    assert (moved[:, [0, -1]] == 200).all()


@pytest.mark.parametrize(("train", "evaluation"), [("none", "strong"), ("mild", "strong")])
def test_demonstrations_and_rollouts_are_shifted_by_themselves(toy, tmp_path: Path, capsys, train: str, evaluation: str):
    def run(*overrides: str) -> None:
        flags = ["--envs", "toy", "--preset", "smoke", "--home", str(tmp_path), "--quiet", "machine.threads=1"]
        assert main(["run", "--methods", "random,state", "--policies", "mlp", *flags, *overrides]) == 0

    run()
    run(f"shift.train={train}", f"shift.evaluation={evaluation}")
    assert f"shift {evaluation} (trained with {train})" in capsys.readouterr().out
    demos = {m["params"]["shift"]: path.parent for path, m in manifests(tmp_path, "demos")}
    assert set(demos) == {"none", train}, "shifting the evaluation alone leaves the demonstrations as they are"
    frames = {strength: np.load(folder / "frames.npy") for strength, folder in demos.items()}
    states = {strength: np.load(folder / "states.npy") for strength, folder in demos.items()}
    if train != "none":
        assert not np.array_equal(frames["none"], frames[train])
    assert np.array_equal(states["none"], states[train])


def test_a_rollout_sees_the_shift_of_its_episode():
    class Still:
        def needs_frame(self, time: int) -> bool:
            return True

        def begin(self, slot: int, seed: int) -> None:
            pass

        def act(self, slots: Slots) -> np.ndarray:
            return np.zeros((len(slots.active), 2), np.float32)

    def video(shift: str) -> np.ndarray:
        config = ToyConfig(resolution=32)
        return rollout(Toy, config, [7], Still(), slots=1, workers=0, timeout=60.0, shift=shift, record=[0])[1][0]

    plain, seen = video("none"), video("medium")
    assert np.array_equal(seen, Shift("medium", 7, 1)(plain))
    assert not np.array_equal(seen, plain)


def manifests(home: Path, kind: str) -> list[tuple[Path, dict]]:
    return [(path, json.loads(path.read_text())) for path in home.glob(f"{kind}/*/manifest.json")]
