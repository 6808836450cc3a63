"""What a policy is trained for: a data set, or a simulator with its demonstrations and its score.

Nothing here imports torch: simulator processes are small.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from benchmark.contracts.data import DataSpec, Episode, Part
from benchmark.contracts.specs import EnvSpec, Presets, require
from benchmark.core.errors import BenchmarkError

HELD_OUT = "held_out"  # a score: 1 where the episode shows things that no demonstration does, 0 where it does not


@dataclass
class EnvConfig:
    """Fields every environment has."""

    locations: ClassVar[tuple[str, ...]] = ()  # fields that say where something lies on this machine, and not what it is
    resolution: int = 96  # square frames
    demonstrations: str = "scripted"  # one of Environment.sources
    episodes: int = 64  # demonstrations to make or to take, the first so many

    def __post_init__(self) -> None:
        require(self.resolution >= 16, "resolution must be at least 16 pixels")
        require(self.episodes >= 2, "episodes must be at least 2: one to train on and one to hold out")


class Expert(ABC):
    """A scripted demonstrator for one episode. What it sets in `info` (JSON values) is kept with the demonstration."""

    info: Mapping[str, Any] = {}

    @abstractmethod
    def act(self) -> np.ndarray | None:
        """The next action for the environment it was made for, or None when it has finished. This is what is recorded."""

    def executed(self, action: np.ndarray) -> np.ndarray:
        """What the environment is given for the last action of `act`; called once for each. A demonstrator that is pushed off
        its way here records how it comes back (DART, Laskey et al. 2017)."""
        return action


class Environment(ABC):
    """What a `Dataset` and a `Simulator` have in common, one of which every environment is. None of it needs an instance."""

    name: ClassVar[str]
    title: ClassVar[str] = ""  # over its column of a table; empty: the name
    Config: ClassVar[type[EnvConfig]] = EnvConfig
    presets: ClassVar[Presets] = {}
    sources: ClassVar[
        tuple[str, ...]
    ]  # of demonstrations: "scripted", which a simulator's expert makes, and names of recorded ones
    source: ClassVar[str] = ""  # paper section or repository the environment comes from, for `list envs`
    # Settings besides its own that its published protocol has, in every preset: {"fit.goal": "last"}. An override goes first.
    protocol: ClassVar[Mapping[str, str]] = {}
    # Settings of stages in a preset, where the preset's own are not enough here: {"quick": {"fit.steps": "4000"}}.
    stage_presets: ClassVar[Mapping[str, Mapping[str, str]]] = {}

    @classmethod
    @abstractmethod
    def spec(cls, config: Any) -> EnvSpec: ...

    @classmethod
    def unavailable_reason(cls, config: Any) -> str | None:
        """None if it can run here; otherwise what is missing (a package, a library, assets) and the command that fixes it."""
        return None

    @classmethod
    def task(cls, config: Any, seed: int) -> str | None:
        """The one task that the episode of a seed asks for, or None where any may be done.

        Demonstrations carry theirs as `info["task"]`: a goal-conditioned policy is given a goal of the same task.
        """
        return None

    @classmethod
    def import_demonstrations(cls, config: Any) -> Iterator[Episode]:
        """Recorded demonstrations for a source other than 'scripted', in a fixed order."""
        raise NotImplementedError(f"{cls.name} has no recorded demonstrations")


class Dataset(Environment):
    """Recordings only: no episode can be started, so policies are scored by what they predict on held-out episodes."""

    sources: ClassVar[tuple[str, ...]] = ("recorded",)

    @classmethod
    def named(cls, instance: str) -> type[Dataset]:
        """The one that a table calls `NAME:INSTANCE`, where one class stands for many data sets."""
        raise BenchmarkError(f"{cls.name} is a single data set; there is no {cls.name}:{instance}")

    @classmethod
    @abstractmethod
    def import_demonstrations(cls, config: Any) -> Iterator[Episode]:
        """All of them, in a fixed order; `config.episodes` of them will be taken."""

    @classmethod
    def parts(cls, config: Any) -> Sequence[Part]:
        """The data sets that its demonstrations are of, in their order; none where they are of one."""
        return ()

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        """Fields of `Config` under which there is something small to read, for checks; `folder` is empty and may be filled."""
        return {}


class Simulator(Environment):
    """A simulator, its demonstrations and its score. Lives inside one worker process and is reused for many episodes.

    Nothing may depend on global random state, and importing the module must not import the simulator, touch GL or download.
    All observations are those of the current moment: `reset`, then alternate `render`/`proprio`/`state` and `step`.
    """

    sources: ClassVar[tuple[str, ...]] = ("scripted",)
    # Its expert acts on the present state alone, whoever led to it: what DAgger asks of one.
    expert_of_any_state: ClassVar[bool] = False
    # MB that a process with one of them takes when it draws, and each further one in it: what `plan` asks a machine for.
    memory: ClassVar[tuple[int, int]] = (200, 50)

    def __init__(self, config: Any):
        self.config = config

    @abstractmethod
    def reset(self, seed: int) -> None:
        """Start the episode that `seed` determines, whatever was simulated before."""

    @abstractmethod
    def step(self, action: np.ndarray) -> bool:
        """Apply one action (float32, clipped by the caller to the bounds). True when the episode is over before max_steps."""

    @abstractmethod
    def render(self) -> np.ndarray:
        """(V, H, W, 3) uint8, the views of the spec in order."""

    @abstractmethod
    def proprio(self) -> np.ndarray:
        """(P,) float32: what a real robot would know of itself; nothing about objects."""

    @abstractmethod
    def state(self) -> np.ndarray:
        """(S,) float32: the privileged state, for probes and the upper bound."""

    @abstractmethod
    def score(self) -> dict[str, float]:
        """Named scores of the episode so far: `spec.metric`, a 0/1 entry `task/<name>` for the task that it asks for or, where
        any may be done, for each, and `HELD_OUT` where evaluation has episodes with things that no demonstration shows."""

    def expert(self, seed: int) -> Expert:
        """A demonstrator for the episode just reset; `seed` decides its choices and noise. A simulator without one names its
        recordings in `sources`, without "scripted"."""
        raise NotImplementedError(f"{self.name} has no scripted expert: its demonstrations are recorded ones")

    @classmethod
    def has_expert(cls) -> bool:
        """Whether demonstrations can be made here."""
        return "scripted" in cls.sources and cls.expert is not Simulator.expert

    def replay(self, states: np.ndarray, actions: np.ndarray) -> dict[str, float]:
        """Send a recording's actions from its first state: how far the simulator strays from it, and what is reached."""
        raise NotImplementedError(f"{self.name} cannot replay recordings")

    def describe(self) -> dict[str, str]:
        """What a manifest should know of this simulator: versions, rendering backend."""
        return {}

    def close(self) -> None:
        """Free the simulator and its GL context."""


def data_spec(cls: type[Environment], config: Any) -> DataSpec:
    """What the demonstrations of an environment look like."""
    spec = cls.spec(config)
    sizes = spec.action_dim, spec.proprio_dim, spec.state_dim
    return DataSpec(cls.name, spec.views, config.resolution, *sizes, spec.hz, spec.action)
