"""An environment of Gymnasium's registry, of the kind that draws itself and has no expert and a dictionary to observe."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.conformance import check
from benchmark.core.errors import BenchmarkError, UnknownName
from benchmark.core.progress import Task
from benchmark.datasets.recordings import import_recording
from benchmark.envs._shared.gymnasium_env import GymnasiumEnv
from benchmark.storage.artifacts import Store

gymnasium = pytest.importorskip("gymnasium")


class Line(gymnasium.Env):  # type: ignore[misc, name-defined]
    metadata = {"render_modes": ["rgb_array"], "render_fps": 5}
    action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float64)
    observation_space = gymnasium.spaces.Dict(
        {"place": gymnasium.spaces.Box(-9, 9, (1,)), "goal": gymnasium.spaces.Box(-9, 9, (2,))}
    )

    def __init__(self, render_mode: str | None = None, goal: float = 0.5):
        self.render_mode, self.goal = render_mode, goal

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.place = self.np_random.uniform(-1, 1)
        return self._observation(), {}

    def step(self, action: np.ndarray) -> Any:
        self.place += 0.1 * float(action[0])
        near = abs(self.place - self.goal) < 0.05
        return self._observation(), float(near), near, False, {"near": near}

    def render(self) -> np.ndarray:
        image = np.zeros((20, 40, 3), np.uint8)
        image[:, int(np.clip(20 + 10 * self.place, 0, 37)) :][:, :3] = 255
        return image

    def _observation(self) -> dict[str, np.ndarray]:
        return {"place": np.float32([self.place]), "goal": np.float32([self.goal, 0])}


class OnALine(GymnasiumEnv):
    name = "on_a_line"
    make = "OnALine-v0"
    options = {"goal": 0.25}
    own = slice(2, 3)
    metric, metric_range = "near", (0.0, 1.0)
    presets = {"smoke": {"resolution": 32, "episodes": 4, "demonstrations": "recorded", "recording": "walks"}}

    def score(self) -> dict[str, float]:
        return {"near": float(self.info.get("near", False))}


@pytest.fixture(autouse=True)
def registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("BENCHMARK_HOME", str(tmp_path / "runs"))
    gymnasium.register("OnALine-v0", entry_point=Line, max_episode_steps=12)
    yield
    del gymnasium.registry["OnALine-v0"]


def walks(tmp_path: Path) -> None:
    """Four recordings of the environment, made elsewhere and imported."""
    from PIL import Image

    for number in range(4):
        folder = tmp_path / "source" / f"{number}" / "camera"
        folder.mkdir(parents=True)
        for step in range(6):
            Image.fromarray(np.full((32, 32, 3), 40 * step + number, np.uint8)).save(folder / f"{step}.png")
        numbers = np.ones((6, 3), np.float32)
        np.savez(folder.parent / "arrays.npz", actions=numbers[:, :1] / 2, states=numbers, proprio=numbers[:, :1])
    import_recording(Store(tmp_path / "runs").prepare(), tmp_path / "source", "walks", Task(), stated={"hz": 5.0})


def test_it_says_what_gymnasium_says(tmp_path: Path) -> None:
    spec = OnALine.spec(OnALine.Config())
    assert (spec.action_low, spec.action_high, spec.hz, spec.max_steps) == ((-1.0,), (1.0,), 5.0, 12)
    assert (spec.state_dim, spec.proprio_dim, spec.views, spec.expert_target) == (3, 1, ("camera",), 1.0)


def test_observations_are_joined_and_options_reach_it(tmp_path: Path) -> None:
    env = OnALine(OnALine.Config(resolution=32))
    env.reset(3)
    assert env.state()[:2].tolist() == [0.25, 0.0]  # `goal` comes before `place`
    assert env.proprio() == env.state()[2:]
    assert env.render().shape == (1, 32, 32, 3)
    while not env.step(np.sign(0.25 - env.state()[2:])):
        pass
    assert env.score() == {"near": 1.0}
    assert env.total == 1.0
    env.close()


def test_it_keeps_its_promises_without_an_expert(tmp_path: Path) -> None:
    walks(tmp_path)
    assert [result.error for result in check(OnALine) if result.error] == []


def test_its_demonstrations_are_a_recording_held_to_its_content(tmp_path: Path) -> None:
    config = OnALine.Config(demonstrations="recorded", recording="walks")
    assert "no recording in" in str(OnALine.unavailable_reason(config))
    assert "env.on_a_line.recording=NAME" in str(OnALine.unavailable_reason(OnALine.Config(demonstrations="recorded")))
    walks(tmp_path)
    config = OnALine.Config(demonstrations="recorded", recording="walks", resolution=48, episodes=3)
    assert OnALine.unavailable_reason(config) is None
    assert config.sha256
    assert [episode.frames.shape for episode in OnALine.import_demonstrations(config)] == [(6, 1, 48, 48, 3)] * 3
    with pytest.raises(BenchmarkError, match="its content has changed"):
        OnALine.Config(recording="walks", sha256="0" * 64)


def test_what_cannot_be_taken_over_is_said(tmp_path: Path) -> None:
    class Discrete(OnALine):
        make, options = "CartPole-v1", {}

    class Absent(OnALine):
        make = "Nothing-v0"

    assert "a vector of numbers with bounds" in str(Discrete.unavailable_reason(Discrete.Config()))
    assert "Nothing" in str(Absent.unavailable_reason(Absent.Config()))


def test_cameras_are_named_or_described() -> None:
    mujoco = pytest.importorskip("mujoco")
    from benchmark.simulation.mujoco_views import _camera

    model = mujoco.MjModel.from_xml_string("<mujoco><worldbody><camera name='front'/><camera name='top'/></worldbody></mujoco>")
    assert _camera(model, "top").fixedcamid == 1
    assert _camera(model, {"azimuth": 30, "lookat": (1, 2, 3)}).lookat.tolist() == [1, 2, 3]
    with pytest.raises(UnknownName, match="did you mean front"):
        _camera(model, "frnt")
    with pytest.raises(UnknownName, match="did you mean azimuth"):
        _camera(model, {"azimut": 3})
