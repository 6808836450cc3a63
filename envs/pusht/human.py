"""The 206 human demonstrations of the Diffusion Policy paper, which DynaMo uses too.

They hold low-dimensional states, from which the images are drawn again at any size. Each episode is checked on the way: its
states must draw the image that was recorded (the simulator looks the same), and its actions, sent from its first state, must
move the agent along the recorded states (the simulator moves the same, and no action is off by a step).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark.contracts.data import Episode
from benchmark.core.errors import BenchmarkError
from benchmark.datasets.zarr_v2 import ZarrArray
from benchmark.envs.pusht.geometry import TABLE
from benchmark.envs.pusht.score import summarise
from benchmark.envs.pusht.simulator import Table

RECORDED_SIDE = 96
PICTURE_TOLERANCE = 0.2  # grey levels of 255, mean over an episode; measured 0.08, at most 0.13; off by one step 0.29 or more
AGENT_TOLERANCE = 0.1  # pixels of 512; measured at most 0.00002. Contacts amplify rounding, so the block's error is only noted


class Recordings:
    """The opened and checked data set."""

    def __init__(self, folder: Path):
        self.folder = folder
        ends, self._pictures = ZarrArray(folder / "meta/episode_ends"), ZarrArray(folder / "data/img")
        states, actions = ZarrArray(folder / "data/state"), ZarrArray(folder / "data/action")
        for array, width in ((states, (5,)), (actions, (2,)), (self._pictures, (RECORDED_SIDE, RECORDED_SIDE, 3))):
            if array.shape != (len(states), *width):
                raise BenchmarkError(f"{array.folder} has shape {array.shape}, expected {(len(states), *width)}")
        if ends.dtype.kind != "i" or ends.shape != (len(ends),):
            raise BenchmarkError(f"{ends.folder} holds no list of integers but {ends.dtype} {ends.shape}")
        self.ends = ends.read(0, len(ends))
        if (np.diff(self.ends, prepend=0) < 1).any() or self.ends[-1] != len(states):
            raise BenchmarkError(f"{ends.folder}: the ends of the episodes do not rise one by one to {len(states)} steps")
        self.states, self.actions = states.read(0, len(states)), actions.read(0, len(actions))
        for array, values in ((states, self.states), (actions, self.actions)):
            if not np.isfinite(values).all():
                raise BenchmarkError(
                    f"{array.folder} contains NaN or infinite values, first in row {_first(~np.isfinite(values))}"
                )
        if (outside := (self.actions < 0) | (self.actions > TABLE)).any():
            raise BenchmarkError(f"{actions.folder}: the action in row {_first(outside)} leaves the table of {TABLE} pixels")

    def episode(self, number: int, table: Table, side: int) -> Episode:
        stop = int(self.ends[number])
        start = int(self.ends[number - 1]) if number else 0
        states, actions = self.states[start:stop], self.actions[start:stop]
        track = replay(table, states, actions)
        if (strayed := track.agent_errors > AGENT_TOLERANCE).any():
            row = int(strayed.argmax())
            raise BenchmarkError(
                f"{self.folder}: the recorded actions lead the agent {track.agent_errors[row]:.1f} pixels off its state in row "
                f"{start + row}"
            )
        frames, observed, differences = [], [], []
        for state, recorded in zip(states, self._pictures.read(start, stop), strict=True):
            table.put(state[:2], state[2:])
            frame, again = table.images(side, RECORDED_SIDE)
            frames.append(frame)
            observed.append(table.state())
            differences.append(np.abs(again - recorded).mean())
        if not np.mean(differences) <= PICTURE_TOLERANCE:
            raise BenchmarkError(
                f"{self._pictures.folder}: the images of episode {number} differ from its states drawn again "
                f"by {np.mean(differences):.2f} grey levels"
            )
        observed_states = np.stack(observed)
        info = {
            "source": "human",
            "recording": number,
            "steps": len(actions),
            "score": summarise(track.coverages),
            "replay_block_error": float(track.block_errors.max()),
        }
        return Episode(np.stack(frames)[:, None], actions, observed_states, observed_states[:, :2], info)


@dataclass(frozen=True)
class Track:
    """Recorded actions sent again: the coverage at the start and after each, and the distance from each recorded state."""

    coverages: list[float]
    agent_errors: np.ndarray
    block_errors: np.ndarray


def replay(table: Table, states: np.ndarray, actions: np.ndarray) -> Track:
    """From the first recorded state on. A row of states is the agent's place, the block's place and its angle."""
    table.reset(0)
    table.put(states[0, :2], states[0, 2:])
    coverages, agent, block = [table.coverage()], [], []
    for state, action in zip(states, actions, strict=True):
        agent.append(np.linalg.norm(table.agent - state[:2]))
        block.append(np.linalg.norm(table.block[:2] - state[2:4]))
        table.drive(action)
        coverages.append(table.coverage())
    return Track(coverages, np.array(agent), np.array(block))


def demonstrations(folder: Path, side: int) -> Iterator[Episode]:
    recordings, table = Recordings(folder), Table()
    for number in range(len(recordings.ends)):
        yield recordings.episode(number, table, side)


def _first(wrong: np.ndarray) -> int:
    return int(np.flatnonzero(wrong.any(axis=1))[0])
