"""LIBERO Goal's official human demonstrations: one robomimic file per task, `TASK_demo.hdf5`, 50 episodes each.

They hold the whole state of the simulator, from which images are drawn again at any size, as with Push-T's. Where the
fixtures stand is not in that state but in the scene that each episode carries along. Episodes are taken in turns from the
tasks, so that the first so many are spread over all of them.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmark.contracts.data import Episode
from benchmark.contracts.environment import Simulator
from benchmark.core.errors import BenchmarkError
from benchmark.datasets.hdf5 import Trajectory, opened, trajectories
from benchmark.envs.libero_goal.simulator import FIXTURES, Table


def demonstrations(env: Simulator, table: Table, paths: dict[str, Path]) -> Iterator[Episode]:
    """Closes the environment, whose table is `table`, when all are drawn or no more are wanted."""
    try:
        names = {task: trajectories(path) for task, path in paths.items()}
        if empty := [str(paths[task]) for task in paths if not names[task]]:
            raise BenchmarkError(f"{empty[0]} holds no demonstrations")
        for number in range(max(map(len, names.values()))):
            for task, path in paths.items():
                if number < len(names[task]):
                    with opened(path, names[task][number]) as demo:
                        episode = _episode(env, table, task, demo)
                    yield episode
    finally:
        env.close()


def _episode(env: Simulator, table: Table, task: str, demo: Trajectory) -> Episode:
    where = demo.where
    actions, states = demo.read("actions").astype(np.float32), demo.read("states")
    joints, fixtures = scene(demo.group.attrs["model_file"])
    if joints != table.joints:
        different = next((pair for pair in zip(joints, table.joints, strict=False) if pair[0] != pair[1]), "their number")
        raise BenchmarkError(f"{where} was recorded in another scene: its joints differ from LIBERO's in {different}")
    width = 1 + table.model.nq + table.model.nv
    if states.shape != (len(actions), width) or actions.shape[1:] != (7,) or not np.isfinite(states).all():
        raise BenchmarkError(f"{where} has states {states.shape} and actions {actions.shape}, expected (T, {width}) and (T, 7)")
    frames, observed, proprio = [], [], []
    for state in states:
        table.put(state[1 : 1 + table.model.nq], fixtures)
        frames.append(env.render())
        observed.append(env.state())
        proprio.append(env.proprio())
    spec = env.spec(env.config)
    info = {"source": "human", "task": task, "steps": len(actions), "score": {spec.metric: float(table.achieved(task))}}
    return Episode(
        np.stack(frames), np.clip(actions, spec.action_low, spec.action_high), np.stack(observed), np.stack(proprio), info
    )


def scene(xml: str | bytes) -> tuple[list[str], dict[str, tuple[np.ndarray, np.ndarray]]]:
    """The joints of a recorded scene in order, and place and rotation of its fixtures."""
    tree = ET.fromstring(xml)
    world = tree.find("worldbody")
    if world is None:
        raise BenchmarkError("the recorded scene has no worldbody")
    joints = [joint.get("name", "") for joint in world.iter() if joint.tag in ("joint", "freejoint")]
    fixtures = {}
    for body in world.iter("body"):
        if (name := body.get("name", "").removesuffix("_main")) in FIXTURES:
            place, turned = (np.array(list(map(float, body.get(key, default).split()))) for key, default in _POSE.items())
            fixtures[name] = place, turned
    if set(fixtures) != set(FIXTURES):
        raise BenchmarkError(f"the recorded scene lacks {', '.join(sorted(set(FIXTURES) - set(fixtures)))}")
    return joints, fixtures


_POSE = {"pos": "0 0 0", "quat": "1 0 0 0"}
