"""Push-T: a disc pushes a T-shaped block onto its outline. One view, actions are absolute positions the disc is sent to.

Protocol of the DynaMo paper: gym-pusht's physics at 10 Hz, 300 steps whatever happens (the release runs 302 by an off-by-one),
the score is the share of the goal covered at the last step. The goal is fixed. A seed draws the start as gym-pusht does: agent
uniform in 50 to 450, block in 100 to 400 with any angle.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmark.contracts.data import Episode
from benchmark.contracts.environment import EnvConfig, Expert, Simulator
from benchmark.contracts.specs import ActionSpec, EnvSpec
from benchmark.core.errors import Unavailable
from benchmark.core.seeds import numpy_rng
from benchmark.envs.pusht.geometry import STATE_NAMES, TABLE
from benchmark.envs.pusht.score import summarise

if TYPE_CHECKING:
    from benchmark.envs.pusht.simulator import Table

RECORDINGS = "pusht_cchi_v7_replay.zarr"
RECORDINGS_VARIABLE = "BENCHMARK_PUSHT_DATA"
RECORDINGS_URL = "https://diffusion-policy.cs.columbia.edu/data/training/pusht.zip"


@dataclass
class PushTConfig(EnvConfig):
    locations = ("human_path",)
    human_path: str = ""  # folder of the human demonstrations; empty: where the environment variable says


class PushT(Simulator):
    name = "pusht"
    title = "Push-T"
    memory = (85, 1)
    Config = PushTConfig
    presets = {
        "smoke": {"resolution": 64, "episodes": 3},
        "quick": {"resolution": 96, "episodes": 64},
        "standard": {"resolution": 96, "episodes": 206},
        "paper": {"resolution": 224, "episodes": 206, "demonstrations": "human"},
    }
    sources = ("scripted", "human")
    source = "DynaMo section 4.1 and Table 1; Chi et al. 2023, Diffusion Policy; gym-pusht"

    def __init__(self, config: PushTConfig):
        super().__init__(config)
        from benchmark.envs.pusht.simulator import Table

        self._table: Table = Table()
        self._coverages: list[float] = []

    @classmethod
    def spec(cls, config: PushTConfig) -> EnvSpec:
        return EnvSpec(
            views=("top",),
            action=ActionSpec(
                low=(0.0, 0.0),
                high=(float(TABLE), float(TABLE)),
                names=("x", "y"),
                representation="absolute",
                of="position of the disc",
                frame="image, from the upper left corner",
                units=f"pixels of {TABLE}",
                gripper="none",
            ),
            proprio_dim=2,
            state_names=STATE_NAMES,
            hz=10.0,
            max_steps=300,
            metric="final_coverage",
            metric_range=(0.0, 1.0),
            expert_target=0.95,
            state_target=0.65,  # our choice: about what the paper's best encoder reaches (0.66, Table 1)
        )

    @classmethod
    def unavailable_reason(cls, config: PushTConfig) -> str | None:
        packages = ["gym_pusht", *(["numcodecs"] if config.demonstrations == "human" else [])]
        if absent := [name for name in packages if find_spec(name) is None]:
            return f"{' and '.join(absent)} not installed; python -m pip install -e .[pusht]"
        if config.demonstrations == "human" and _recordings(config) is None:
            folder = _recordings_folder(config)
            return (
                f"{RECORDINGS} not found{f' in {folder}' if folder else ''}; unpack {RECORDINGS_URL} and name its folder in "
                f"env.pusht.human_path or {RECORDINGS_VARIABLE}, or set env.pusht.demonstrations=scripted"
            )
        return None

    @classmethod
    def import_demonstrations(cls, config: PushTConfig) -> Iterator[Episode]:
        if reason := cls.unavailable_reason(config):
            raise Unavailable(reason)
        from benchmark.envs.pusht.human import demonstrations

        folder = _recordings(config)
        assert folder is not None
        return demonstrations(folder, config.resolution)

    def reset(self, seed: int) -> None:
        self._table.reset(seed)
        self._coverages = [self._table.coverage()]

    def step(self, action: np.ndarray) -> bool:
        self._table.drive(action)
        self._coverages.append(self._table.coverage())
        return False

    def render(self) -> np.ndarray:
        return self._table.image(self.config.resolution)[None]

    def proprio(self) -> np.ndarray:
        return self._table.state()[:2]

    def state(self) -> np.ndarray:
        return self._table.state()

    def score(self) -> dict[str, float]:
        return summarise(self._coverages)

    def expert(self, seed: int) -> Expert:
        from benchmark.envs.pusht.planner import Planner

        return Planner(self._table, numpy_rng("pusht planner", seed))

    def replay(self, states: np.ndarray, actions: np.ndarray) -> dict[str, float]:
        from benchmark.envs.pusht.human import replay

        track = replay(self._table, states, actions)
        errors = {"agent": track.agent_errors, "block": track.block_errors}
        strayed = {f"{name} error, pixels of {TABLE}": float(values.max()) for name, values in errors.items()}
        return strayed | summarise(track.coverages)

    def describe(self) -> dict[str, str]:
        return {name: version(name) for name in ("gym-pusht", "pymunk", "pygame")} | {"renderer": "pygame, software"}


def _recordings_folder(config: PushTConfig) -> str:
    return config.human_path or os.environ.get(RECORDINGS_VARIABLE, "")


def _recordings(config: PushTConfig) -> Path | None:
    """The data set, named itself or by the folder it lies in."""
    folder = Path(_recordings_folder(config))
    return next((path for path in (folder, folder / RECORDINGS) if path.name == RECORDINGS and path.is_dir()), None)
