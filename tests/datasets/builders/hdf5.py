"""HDF5 files of LIBERO and of SpawnNet."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.datasets.builders.content import LENGTHS, SIDE, Built, images, numbers


def libero_hdf5(root: Path) -> Built:
    h5py = pytest.importorskip("h5py", reason="python -m pip install -e .[data]")
    frames, actions, states, robot = images(2), numbers(7), numbers(10, 1), numbers(15, 2)
    root.mkdir(parents=True, exist_ok=True)
    with h5py.File(root / "open_the_drawer_demo.hdf5", "w") as file:
        data = file.create_group("data")
        data.attrs["env_args"] = json.dumps({"env_name": "Libero", "type": 1, "env_kwargs": {"control_freq": 20}})
        data.attrs["problem_info"] = json.dumps({"language_instruction": "open the drawer"})
        data.attrs["macros_image_convention"] = "opengl"
        for number, place in enumerate((0, 2, 10)):  # demo_10 comes after demo_2
            demo = data.create_group(f"demo_{place}")
            demo["actions"], demo["states"] = actions[number].astype(np.float64), states[number].astype(np.float64)
            demo["obs/agentview_rgb"] = frames[number][:, 0, ::-1]
            demo["obs/eye_in_hand_rgb"] = frames[number][:, 1, ::-1]
            demo["obs/ee_states"] = robot[number][:, :6]
            demo["obs/ee_pos"] = robot[number][:, :3]
            demo["obs/gripper_states"], demo["obs/joint_states"] = robot[number][:, 6:8], robot[number][:, 8:]
    views, tasks = ("agentview_rgb", "eye_in_hand_rgb"), ["open the drawer"] * 3
    return Built(root, "hdf5", views, 20.0, frames, actions, states, robot, tasks=tasks)


def spawnnet(root: Path) -> Built:
    h5py = pytest.importorskip("h5py", reason="python -m pip install -e .[data]")
    frames, actions, proprio = images(2), numbers(8), numbers(7, 1)
    for number, length in enumerate(LENGTHS):
        path = root / "none" / "train" / f"{number}.h5"
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w") as file:
            trajectory = file.create_group("traj_0")
            trajectory["obs/rgb"] = frames[number].transpose(0, 1, 4, 2, 3)
            trajectory["obs/depth"] = np.zeros((length, 2, 1, SIDE, SIDE), np.float32)
            trajectory["obs/state"], trajectory["actions"] = proprio[number], actions[number]
    return Built(root, "hdf5", ("rgb_0", "rgb_1"), None, frames, actions, None, proprio)
