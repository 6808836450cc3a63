"""Several recordings in one: robots, cameras and rates differ, the action space is one.

    --envs mixture env.mixture.parts=[bridge,viola,toto]

What is mixed how is said in benchmark/datasets/mixing.py, and docs/mixtures.md is the guide. The demonstrations are written
once, at the resolution of the table, and memory-mapped from then on: what training holds in memory does not grow with them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.contracts.data import Episode, Part
from benchmark.contracts.environment import Dataset, EnvConfig
from benchmark.contracts.specs import ActionSpec, EnvSpec, require
from benchmark.core.errors import BenchmarkError, Unavailable

if TYPE_CHECKING:
    from benchmark.datasets.mixing import RecordedPart

EVERYTHING = 1_000_000  # episodes
WEIGHTS = ("transitions", "datasets", "explicit")
LOWEST = -1.0  # of the score, see benchmark/stages/open_loop.py


@dataclass
class MixtureConfig(EnvConfig):
    """`sha256` and `episodes` are set to what the parts have, so that a key says what was used."""

    demonstrations: str = "recorded"
    episodes: int = EVERYTHING  # of all parts: what `each` amounts to
    parts: list[str] = field(default_factory=list)  # recordings by name, or their folders
    each: int = EVERYTHING  # episodes of each part, the first so many
    weights: str = "transitions"  # how often training draws from a part: as it has steps | equally | by `shares`
    shares: list[float] = field(default_factory=list)  # one per part, of any sum
    views: list[str] = field(default_factory=list)  # of primary, wrist; empty: those that all parts have
    cameras: list[str] = field(default_factory=list)  # PART:VIEW:CAMERA, where the names of cameras say something else
    sha256: list[str] = field(default_factory=list)  # of each part's content and what it says of its actions

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.each >= 2, "env.mixture.each must be at least 2: one to train on and one to hold out")
        require(self.weights in WEIGHTS, f"env.mixture.weights '{self.weights}' is none of {', '.join(WEIGHTS)}")
        require(bool(self.shares) == (self.weights == "explicit"), "env.mixture.shares: with weights=explicit, and only then")
        require(not self.shares or len(self.shares) == len(self.parts), "env.mixture.shares: one number for each part")
        require(all(0 < share < math.inf for share in self.shares), "env.mixture.shares must be positive and finite")
        names = [Path(part).name for part in self.parts]
        require(len(set(names)) == len(names), f"env.mixture.parts names a recording twice: {', '.join(names)}")
        require(set(self.views) <= {"primary", "wrist"}, f"env.mixture.views: primary and wrist, not {', '.join(self.views)}")
        require(all(text.count(":") == 2 for text in self.cameras), "env.mixture.cameras are PART:VIEW:CAMERA, each")
        if not (recordings := _recordings(self)):
            return
        content = [one.sha256 for one in recordings]
        if self.sha256 not in ([], content):
            raise BenchmarkError(f"a part of {', '.join(names)} is not what was planned with: it has changed")
        self.sha256 = content
        total = sum(min(self.each, one.episodes) for one in recordings)
        require(self.episodes in (EVERYTHING, total), "env.mixture.each says how many episodes are taken of each part")
        self.episodes = total

    def shares_of(self) -> list[float] | None:
        """Of the parts, adding up to 1; None where every step counts the same."""
        if self.weights == "transitions":
            return None
        shares = self.shares or [1.0] * len(self.parts)
        return [share / sum(shares) for share in shares]


class Mixture(Dataset):
    name = "mixture"
    Config = MixtureConfig
    presets = {
        "smoke": {"resolution": 32, "each": 4},
        "quick": {"resolution": 96, "each": 64},
        "standard": {"resolution": 96},
        "paper": {"resolution": 224},
    }
    source = "Open X-Embodiment (2310.08864); several recordings: python -m benchmark data import"

    @classmethod
    def spec(cls, config: MixtureConfig) -> EnvSpec:
        recordings = _recordings(config)
        # no value lies further than sqrt(n - 1) standard deviations from the mean of n (Samuelson 1968)
        reach = math.sqrt(max((one.transitions for one in recordings), default=1))
        return EnvSpec(
            views=_views(config, recordings),
            action=ActionSpec(
                low=(-reach,) * 6 + (-1.0,),
                high=(reach,) * 6 + (1.0,),
                names=("x", "y", "z", "roll", "pitch", "yaw", "gripper"),
                representation="delta",
                of="end effector pose",
                units="standard deviations of each data set, from its mean; the gripper is absolute",
                gripper="1 opens, -1 closes",
            ),
            proprio_dim=0,
            state_names=(),
            hz=median(one.hz for one in recordings) if recordings else 1.0,  # for videos: steps are each part's own
            max_steps=max((one.longest for one in recordings), default=1),
            metric="action_r2",  # of benchmark/stages/open_loop.py
            metric_range=(LOWEST, 1.0),
            expert_target=1.0,
        )

    @classmethod
    def unavailable_reason(cls, config: MixtureConfig) -> str | None:
        if not config.parts:
            return (
                "no recordings are named to mix: env.mixture.parts=[A,B]; `python -m benchmark data list` shows what there is"
            )
        from benchmark.datasets.mixing import unmixable

        if reasons := unmixable(config.parts, config.cameras):
            return "; ".join(reasons)
        recordings = _recordings(config)
        if not _views(config, recordings):
            return "no camera is common to all parts: env.mixture.views=[primary,wrist] takes both, black where one is missing"
        absent = [view for view in config.views if not any(view in one.cameras for one in recordings)]
        return f"no part has a {absent[0]} camera: leave it out of env.mixture.views" if absent else None

    @classmethod
    def parts(cls, config: MixtureConfig) -> Sequence[Part]:
        from benchmark.datasets.mixing import parts_of

        recordings = _recordings(config)
        return parts_of(recordings, _views(config, recordings), config.each, config.shares_of())

    @classmethod
    def import_demonstrations(cls, config: MixtureConfig) -> Iterator[Episode]:
        from benchmark.datasets.mixing import episodes_of

        if reason := cls.unavailable_reason(config):
            raise Unavailable(reason)
        recordings = _recordings(config)
        yield from episodes_of(recordings, cls.parts(config), _views(config, recordings), config.resolution)

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        """A robot without a gripper and one with; cameras and rates differ."""
        from PIL import Image

        from benchmark.core.progress import Task
        from benchmark.core.seeds import numpy_rng
        from benchmark.datasets.recordings import import_recording
        from benchmark.storage.artifacts import Store

        store, made = Store(folder / "store").prepare(), []
        for name, camera, names, hz in (("pusher", "top", ("x", "y"), 10.0), ("picker", "front", ("x", "y", "gripper"), 5.0)):
            for episode in range(4):
                rng, place = numpy_rng("mixture", "example", name, episode), folder / name / str(episode)
                (place / camera).mkdir(parents=True)
                for step, image in enumerate(rng.integers(0, 255, (12, 24, 24, 3), np.uint8)):
                    Image.fromarray(image).save(place / camera / f"{step:02d}.png")
                np.savez(place / "arrays.npz", actions=rng.uniform(0, 1, (12, len(names))).astype(np.float32))
            stated = {"hz": hz, "representation": "delta", "names": names, "gripper": "0 opens, 1 closes"}
            made.append(str(import_recording(store, folder / name, name, Task(), stated=stated)))
        return {"parts": made}


def _recordings(config: MixtureConfig) -> list[RecordedPart]:
    """All parts, or none where one cannot be mixed: `unavailable_reason` says why."""
    if not config.parts:
        return []
    from benchmark.datasets.mixing import recorded_part, unmixable

    if unmixable(config.parts, config.cameras):
        return []
    return [recorded_part(part, config.cameras) for part in config.parts]


def _views(config: MixtureConfig, recordings: Sequence[RecordedPart]) -> tuple[str, ...]:
    if config.views or not recordings:
        return tuple(config.views)
    return tuple(view for view in ("primary", "wrist") if all(view in one.cameras for one in recordings))
