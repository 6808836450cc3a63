"""What DynaMo's authors published: one layout for each of their environments."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from tests.datasets.builders.content import LENGTHS, Built, images, numbers


class Bomb:
    """Unpickled, it leaves a mark."""

    mark: Path

    def __reduce__(self) -> tuple[Callable, tuple]:
        return Path.touch, (self.mark,)


def bomb(mark: Path) -> bytes:
    Bomb.mark = mark
    return pickle.dumps(Bomb())


def padded(arrays: list[np.ndarray]) -> np.ndarray:
    """(N, T_max, width), nonsense after each end."""
    full = np.full((len(arrays), max(LENGTHS), arrays[0].shape[1]), np.nan, np.float32)
    for row, array in zip(full, arrays, strict=True):
        row[: len(array)] = array
    return full


def mask() -> np.ndarray:
    return (np.arange(max(LENGTHS))[None] < np.array(LENGTHS)[:, None]).astype(np.float32)


def save_tensor(array: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(torch.from_numpy(array), path)


def dynamo_kitchen(root: Path) -> Built:
    frames, actions, observations = images(1), numbers(9), numbers(60, 1)
    for number, episode in enumerate(frames):
        save_tensor(np.ascontiguousarray(episode.transpose(0, 1, 4, 2, 3)), root / f"obses/{number:03d}.pth")
    np.save(root / "actions_seq.npy", padded(actions).transpose(1, 0, 2))
    np.save(root / "observations_seq.npy", padded(observations).transpose(1, 0, 2))
    np.save(root / "existence_mask.npy", mask().T)
    states, proprio = [o[:, :30] for o in observations], [o[:, :9] for o in observations]
    return Built(root, "dynamo_release", ("view_0",), 12.5, frames, actions, states, proprio)


def dynamo_block_push(root: Path) -> Built:
    frames, actions, states = images(2), numbers(2), numbers(16, 1)
    for number, episode in enumerate(frames):
        save_tensor(episode, root / f"obs_multiview/{number:03d}.pth")
    np.save(root / "multimodal_push_actions.npy", padded(actions))
    np.save(root / "multimodal_push_observations.npy", padded(states))
    np.save(root / "multimodal_push_masks.npy", mask())
    proprio = [s[:, 6:8] for s in states]
    return Built(root, "dynamo_release", ("view_0", "view_1"), 10.0, frames, actions, states, proprio)


def dynamo_pusht(root: Path) -> Built:
    frames, actions, states = images(1), numbers(2), numbers(5, 1)
    for number, episode in enumerate(frames):
        save_tensor(episode[:, 0], root / f"obses/episode_{number:03d}.pth")
    save_tensor(padded(actions), root / "abs_actions.pth")
    save_tensor(padded(actions), root / "rel_actions.pth")
    save_tensor(padded(states), root / "states.pth")
    (root / "seq_lengths.pkl").write_bytes(bomb(root / "exploded"))
    return Built(root, "dynamo_release", ("view_0",), 10.0, frames, actions, states, [s[:, :2] for s in states])


def dynamo_libero(root: Path) -> Built:
    frames, actions, states, tasks = images(2), numbers(7), numbers(23, 1), []
    for number, episode in enumerate(frames):
        task = ("open_the_drawer", "turn_on_the_stove")[number // 2]
        demo = root / "libero_goal" / task / f"demo_{number}"
        for view, name in enumerate(("agentview", "robot0_eye_in_hand")):
            save_tensor(np.ascontiguousarray(episode[:, view]), demo / f"{name}_image.pth")
        np.save(demo / "actions.npy", actions[number])
        np.save(demo / "robot0_joint_pos.npy", states[number][:, :7])
        np.save(demo / "robot0_eef.npy", states[number][:, 7:14])
        np.save(demo / "robot0_gripper_pos.npy", states[number][:, 14:16])
        np.save(demo / "object_states.npy", states[number][:, 16:])
        tasks.append(task.replace("_", " "))
    wide = [np.pad(s, ((0, 0), (0, 128 - 23))) for s in states]
    views = ("agentview", "robot0_eye_in_hand")
    return Built(root, "dynamo_release", views, 20.0, frames, actions, wide, [s[:, :16] for s in states], tasks=tasks)
