"""LIBERO Goal's human demonstrations: where they are looked for, and what is made of files in the official layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.core.errors import BenchmarkError
from benchmark.envs.libero_goal import RECORDINGS_VARIABLE, LiberoGoal, LiberoGoalConfig
from tests.envs import libero_tables
from tests.envs.libero_tables import here, seed_for

env = libero_tables.env


def test_absent_recordings_say_where_they_are_looked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("benchmark.envs.libero_goal.missing_packages", lambda: None)
    (tmp_path / "libero_goal").mkdir()
    (tmp_path / "libero_goal" / "turn_on_the_stove_demo.hdf5").touch()
    monkeypatch.delenv(RECORDINGS_VARIABLE, raising=False)
    asked = {"demonstrations": "human", "tasks": ("turn_on_the_stove", "put_the_bowl_on_the_plate")}
    assert f"env.libero_goal.human_path or {RECORDINGS_VARIABLE}" in str(
        LiberoGoal.unavailable_reason(LiberoGoalConfig(**asked))
    )
    reason = str(LiberoGoal.unavailable_reason(LiberoGoalConfig(**asked, human_path=str(tmp_path))))
    assert f"{tmp_path} lacks put_the_bowl_on_the_plate_demo.hdf5;" in reason


def scene_of(env: LiberoGoal, joints: list[str] | None = None) -> str:
    """As much of a recorded scene as is read."""
    from benchmark.envs.libero_goal.simulator import FIXTURES

    model, text = env._table.model, []
    for name in FIXTURES:
        body = model.body(f"{name}_main")
        pose = [" ".join(map(str, values.tolist())) for values in (body.pos, body.quat)]
        text.append(f'<body name="{name}_main" pos="{pose[0]}" quat="{pose[1]}"/>')
    hinges = "".join(f'<body><joint name="{name}"/></body>' for name in joints or env._table.joints)
    return f"<mujoco><worldbody>{hinges}{''.join(text)}</worldbody></mujoco>"


def written(folder: Path, env: LiberoGoal, task: str, **changes: Any) -> list[np.ndarray]:
    """The first steps of the demonstrator, in the layout of the official files; what was seen, known and done."""
    h5py = pytest.importorskip("h5py")
    env.reset(seed_for(env, task))
    expert, data, rows = env.expert(0), env._table.data, []
    for _ in range(12):
        action = np.asarray(expert.act(), np.float64)
        state = np.concatenate([[data.time], data.qpos, data.qvel])
        rows.append((env.render(), env.state(), env.proprio(), action, state))
        env.step(action)
    frames, states, proprio, actions, simulator = (np.stack(column) for column in zip(*rows, strict=True))
    with h5py.File(folder / f"{task}_demo.hdf5", "w") as file:
        demo = file.create_group("data/demo_0")
        demo["actions"], demo["states"] = actions, changes.get("states", simulator)
        demo.attrs["model_file"] = changes.get("scene", scene_of(env))
    return [frames, states, proprio, actions]


def imported(folder: Path, *tasks: str) -> list[Any]:
    config = LiberoGoalConfig(resolution=64, demonstrations="human", human_path=str(folder), tasks=tasks)
    return list(LiberoGoal.import_demonstrations(config))


@here
def test_human_demonstrations_are_drawn_from_their_states(env: LiberoGoal, tmp_path: Path) -> None:
    tasks = ("put_the_bowl_on_the_plate", "put_the_wine_bottle_on_top_of_the_cabinet")
    recorded = {task: written(tmp_path, env, task) for task in tasks}
    for task, episode in zip(tasks, imported(tmp_path, *tasks), strict=True):
        frames, states, proprio, actions = recorded[task]
        assert episode.info["task"] == task
        assert episode.info["score"] == {"success": 0.0}
        np.testing.assert_allclose(episode.states, states, atol=1e-6)
        np.testing.assert_allclose(episode.proprio, proprio, atol=1e-6)
        np.testing.assert_allclose(episode.actions, actions.clip(-1, 1), atol=1e-6)
        assert np.abs(episode.frames.astype(int) - frames).max() <= 1


@here
@pytest.mark.parametrize(
    ("what", "reason"), [("joints", "another scene"), ("states", "expected"), ("scene", "no element"), ("file", "read")]
)
def test_recordings_of_something_else_are_refused_by_name(env: LiberoGoal, tmp_path: Path, what: str, reason: str) -> None:
    task = "turn_on_the_stove"
    changes: dict[str, Any] = {
        "joints": {"scene": scene_of(env, ["elbow", *env._table.joints[1:]])},
        "states": {"states": np.zeros((12, 5))},
        "scene": {"scene": "<mujoco><worldbody>"},
        "file": {},
    }[what]
    written(tmp_path, env, task, **changes)
    if what == "file":
        path = tmp_path / f"{task}_demo.hdf5"
        path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(BenchmarkError, match=f"{task}_demo.hdf5.*{reason}"):
        imported(tmp_path, task)
