"""The data sets released with DynaMo, one folder layout per environment.

The layouts are those that the release's own loaders read. Lengths of Push-T episodes come from their images: the release
keeps them in a pickle besides, which is not opened.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmark.contracts.data import Episode
from benchmark.core.errors import BenchmarkError
from benchmark.datasets.files import existing, load_array, load_tensor
from benchmark.datasets.source import Actions, Description, Source, make_episode

KITCHEN = ("actions_seq.npy", "observations_seq.npy", "existence_mask.npy")
BLOCKS = ("multimodal_push_actions.npy", "multimodal_push_observations.npy", "multimodal_push_masks.npy")
PUSHT = ("abs_actions.pth", "states.pth")
LIBERO_VIEWS = ("agentview", "robot0_eye_in_hand")
LIBERO_ROBOT = ("robot0_joint_pos.npy", "robot0_eef.npy", "robot0_gripper_pos.npy")
LIBERO_FILES = (*(f"{view}_image.pth" for view in LIBERO_VIEWS), *LIBERO_ROBOT, "object_states.npy", "actions.npy")
LIBERO_WIDTH = 128  # the release pads robot and object states to this
VIEWS = {"kitchen": ("view_0",), "block_push": ("view_0", "view_1"), "pusht": ("view_0",), "libero_goal": LIBERO_VIEWS}
HZ = {"kitchen": 12.5, "block_push": 10.0, "pusht": 10.0, "libero_goal": 20.0}
ACTIONS = {
    "kitchen": Actions("delta", "velocity of each finger", "joint velocities as a share of 2 rad/s"),
    "block_push": Actions("delta", "none", "metres the effector's target moves; the release divides them by 0.03"),
    "pusht": Actions("absolute", "none", "pixels of a 512 x 512 table"),
    "libero_goal": Actions("delta", "-1 opens, +1 closes", "1 is 0.05 m or 0.5 rad of the end effector"),
}


class DynamoRelease(Source):
    format = "dynamo_release"
    looks_like = "a folder with obses/ or obs_multiview/ and the arrays of DynaMo's release, or libero_goal/TASK/DEMO/"
    packages = ("torch",)

    def __init__(self, path: Path):
        super().__init__(path)
        layout = _layout(path)
        if layout is None:
            raise BenchmarkError(f"{path} has none of the four folder layouts of DynaMo's release; expected {self.looks_like}")
        self.layout = layout
        folder = path / "obs_multiview" if layout == "block_push" else path / "obses"
        self._items = _libero_demos(path) if layout == "libero_goal" else sorted(folder.glob("*.pth"))
        if not self._items:
            raise BenchmarkError(f"{folder if layout != 'libero_goal' else path} holds no episodes")

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return _layout(path) is not None

    def describe(self) -> Description:
        return Description(
            VIEWS[self.layout], len(self._items), HZ[self.layout], ACTIONS[self.layout], (f"{self.layout} layout",)
        )

    def files(self) -> list[Path]:
        if self.layout == "libero_goal":
            return [demo / name for demo in self._items for name in LIBERO_FILES]
        arrays = {"kitchen": KITCHEN, "block_push": BLOCKS, "pusht": PUSHT}[self.layout]
        return [*self._items, *(self.path / name for name in arrays)]

    def _stream(self, start: int, side: int | None) -> Iterator[Episode]:
        return self._libero(start, side) if self.layout == "libero_goal" else self._stacked(start, side)

    def _stacked(self, start: int, side: int | None) -> Iterator[Episode]:
        """Kitchen, Block Pushing and Push-T: images per episode, everything else in arrays padded to the longest."""
        time_first = self.layout == "kitchen"
        if self.layout == "pusht":
            actions, states = (load_tensor(self.path / name) for name in PUSHT)
            lengths = None
        else:
            actions, states, mask = (load_array(self.path / name) for name in (KITCHEN if time_first else BLOCKS))
            if mask.shape != actions.shape[:2] or mask.dtype.kind not in "fiub" or not np.isin(mask, (0, 1)).all():
                raise BenchmarkError(
                    f"{self.path}: the mask is {mask.dtype} {mask.shape}, expected zeros and ones of shape {actions.shape[:2]}"
                )
            time = 0 if time_first else 1
            if (np.diff(mask.astype(np.int8), axis=time) > 0).any():
                raise BenchmarkError(f"{self.path}: the mask has holes: some episode goes on after its end")
            lengths = mask.sum(axis=time).astype(int)
        axis = 1 if time_first else 0
        for array, what in ((actions, "actions"), (states, "states")):
            if array.ndim != 3 or array.shape[axis] != len(self._items):
                raise BenchmarkError(
                    f"{self.path}: {what} have shape {array.shape}, which does not fit {len(self._items)} episodes of images"
                )
        for number in range(start, len(self._items)):
            frames = self._frames(self._items[number])
            length = len(frames) if lengths is None else int(lengths[number])
            pick = (slice(length), number) if time_first else (number, slice(length))
            yield make_episode(
                {view: frames[:length, index] for index, view in enumerate(VIEWS[self.layout])},
                side,
                self._items[number],
                actions=actions[pick],
                states=states[pick][:, :30] if time_first else states[pick],  # the rest of the kitchen's is the goal
                proprio=states[pick][:, {"kitchen": slice(9), "block_push": slice(6, 8), "pusht": slice(2)}[self.layout]],
            )

    def _frames(self, path: Path) -> np.ndarray:
        """(T, V, H, W, 3), whatever order the layout has."""
        stored = load_tensor(path)
        if stored.ndim != (4 if self.layout == "pusht" else 5):
            raise BenchmarkError(f"{path} holds images of shape {stored.shape}, which the {self.layout} layout does not have")
        frames = {"kitchen": lambda x: np.moveaxis(x, 2, -1), "pusht": lambda x: x[:, None]}.get(self.layout, lambda x: x)(
            stored
        )
        if frames.shape[1] != len(VIEWS[self.layout]):
            raise BenchmarkError(
                f"{path} holds {frames.shape[1]} views, the {self.layout} layout has {len(VIEWS[self.layout])}"
            )
        return frames

    def _libero(self, start: int, side: int | None) -> Iterator[Episode]:
        for demo in self._items[start:]:
            columns = [load_array(demo / name) for name in (*LIBERO_ROBOT, "object_states.npy")]
            if any(column.ndim != 2 or len(column) != len(columns[0]) for column in columns):
                raise BenchmarkError(f"{demo}: states have shapes {', '.join(str(column.shape) for column in columns)}")
            proprio, states = np.concatenate(columns[:-1], axis=1), np.concatenate(columns, axis=1)
            if states.shape[1] > LIBERO_WIDTH:
                raise BenchmarkError(f"{demo}: {states.shape[1]} state dimensions, the layout has at most {LIBERO_WIDTH}")
            yield make_episode(
                {view: load_tensor(demo / f"{view}_image.pth") for view in LIBERO_VIEWS},
                side,
                demo,
                actions=load_array(demo / "actions.npy"),
                states=np.pad(states, ((0, 0), (0, LIBERO_WIDTH - states.shape[1]))),
                proprio=proprio,
                info={"task": demo.parent.name.replace("_", " ")},
            )


def _layout(path: Path) -> str | None:
    if (path / "obs_multiview").is_dir() and (path / BLOCKS[0]).is_file():
        return "block_push"
    if (path / "obses").is_dir():
        return "kitchen" if (path / KITCHEN[0]).is_file() else "pusht" if (path / PUSHT[0]).is_file() else None
    return "libero_goal" if path.is_dir() and any(any(_libero_root(path).glob(f"*/*/{n}")) for n in LIBERO_FILES[:2]) else None


def _libero_root(path: Path) -> Path:
    return path / "libero_goal" if (path / "libero_goal").is_dir() else path


def _libero_demos(path: Path) -> list[Path]:
    """Demonstrations in a fixed order: the folders with any of the files, which must have all of them."""
    demos = sorted({file.parent for name in LIBERO_FILES for file in _libero_root(path).glob(f"*/*/{name}")})
    for path in (demo / name for demo in demos for name in LIBERO_FILES):
        existing(path)
    return demos
