"""An environment of Gymnasium's registry as a `Simulator`: what it says of itself is taken over, the rest is a dozen lines.

The subclass names the environment and says what a table shows of it:

    class Reacher(GymnasiumEnv):
        name = "reacher"
        make = "Reacher-v5"
        metric, metric_range = "reached", (0.0, 1.0)

        def score(self):
            return {"reached": float(-self.info["reward_dist"] < 0.02)}

`state` is Gymnasium's observation, `proprio` the part of it that `own` names. A MuJoCo environment is drawn by `MujocoViews`,
others by their own `rgb_array`. One without an expert is trained on a recording: `demonstrations=recorded recording=NAME`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from typing import Any, ClassVar

import numpy as np

from benchmark.contracts.data import Episode
from benchmark.contracts.environment import EnvConfig, Simulator
from benchmark.contracts.specs import ActionSpec, EnvSpec
from benchmark.core.errors import BenchmarkError
from benchmark.datasets.recorded import IMPORT, episodes_in, folder_of, manifest_in, missing, pinned
from benchmark.datasets.source import stretch
from benchmark.simulation.drawing import gl_missing
from benchmark.simulation.mujoco_views import Camera, MujocoViews


@dataclass
class GymnasiumConfig(EnvConfig):
    recording: str = ""  # the name of an imported one, for demonstrations=recorded
    sha256: str = ""  # of its content, set here so that a key says what was used

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.recording and (manifest := manifest_in(folder := folder_of(self.recording))):
            self.sha256 = pinned(folder, manifest, self.sha256)


@dataclass(frozen=True)
class Facts:
    """What Gymnasium says of an environment once it is made."""

    low: tuple[float, ...]
    high: tuple[float, ...]
    observations: int
    hz: float
    max_steps: int | None
    mujoco: bool


class GymnasiumEnv(Simulator):
    """Set `name`, `make`, `metric` and `metric_range`, implement `score`, and `expert` if there is one."""

    make: ClassVar[str]  # the name in Gymnasium's registry, "module:Name-v0" where a module has to be imported first
    options: ClassVar[Mapping[str, Any]] = {}  # further arguments of `gymnasium.make`
    cameras: ClassVar[Mapping[str, Camera]] = {"camera": {}}  # see MujocoViews; one that draws itself has one
    own: ClassVar[slice] = slice(0)  # the part of the observation that a real robot would know of itself
    meaning: ClassVar[Mapping[str, Any]] = {}  # of the actions: fields of ActionSpec; unknown unless said
    max_steps: ClassVar[int | None] = None  # None: Gymnasium's own limit
    metric: ClassVar[str]
    metric_range: ClassVar[tuple[float, float]]
    expert_target: ClassVar[float | None] = None  # None: the best score
    state_target: ClassVar[float | None] = None
    Config = GymnasiumConfig
    sources = ("scripted", "recorded")

    def __init__(self, config: Any):
        super().__init__(config)
        facts = self.facts()
        drawn = {} if facts.mujoco else {"render_mode": "rgb_array"}
        self.env = _make(self.make, {**self.options, **drawn})
        self.observation = np.zeros(facts.observations, np.float32)
        self.info: dict[str, Any] = {}  # of the latest step
        self.total = 0.0  # of the rewards
        self._views: MujocoViews | None = None

    @classmethod
    def facts(cls) -> Facts:
        return _facts(cls.make, tuple(sorted(cls.options.items())))

    @classmethod
    def spec(cls, config: Any) -> EnvSpec:
        facts = cls.facts()
        steps = cls.max_steps or facts.max_steps
        if steps is None:
            raise BenchmarkError(f"{cls.make} has no limit of steps: set max_steps in {cls.__name__}")
        names = tuple(f"observation/{index}" for index in range(facts.observations))
        return EnvSpec(
            views=tuple(cls.cameras),
            action=ActionSpec(facts.low, facts.high, **cls.meaning),
            proprio_dim=len(names[cls.own]),
            state_names=names,
            hz=facts.hz,
            max_steps=steps,
            metric=cls.metric,
            metric_range=cls.metric_range,
            expert_target=cls.metric_range[1] if cls.expert_target is None else cls.expert_target,
            state_target=cls.state_target,
        )

    @classmethod
    def unavailable_reason(cls, config: Any) -> str | None:
        if importlib.util.find_spec("gymnasium") is None:
            return "not installed: gymnasium. Fix it with: python -m pip install gymnasium"
        try:
            facts = cls.facts()
        except Exception as error:
            return f"gymnasium.make('{cls.make}') fails: {type(error).__name__}: {error}"
        if config.demonstrations == "recorded":
            if not config.recording:
                return f"no recording is named: {IMPORT}, then env.{cls.name}.recording=NAME"
            if reason := missing(folder_of(config.recording)):
                return reason
        return gl_missing() if facts.mujoco else None

    @classmethod
    def import_demonstrations(cls, config: Any) -> Iterator[Episode]:
        yield from episodes_in(folder_of(config.recording), config.resolution, config.episodes)

    def reset(self, seed: int) -> None:
        # seeds of any size: they go through a numpy SeedSequence there
        observation, self.info = self.env.reset(seed=seed)
        self.total = 0.0
        self._observe(observation)

    def step(self, action: np.ndarray) -> bool:
        observation, reward, over, _, self.info = self.env.step(np.asarray(action, self.env.action_space.dtype))
        self.total += float(reward)
        self._observe(observation)
        return bool(over)

    def render(self) -> np.ndarray:
        side = self.config.resolution
        if not self.facts().mujoco:
            return stretch(np.asarray(self.env.render(), np.uint8), side)[None]
        if self._views is None:
            simulation = self.env.unwrapped
            self._views = MujocoViews(simulation.model, simulation.data, side, self.cameras)
        return self._views.render()

    def proprio(self) -> np.ndarray:
        return self.observation[self.own].copy()

    def state(self) -> np.ndarray:
        return self.observation.copy()

    def describe(self) -> dict[str, str]:
        packages = {name: metadata.version(name) for name in ("gymnasium", *["mujoco"] * self.facts().mujoco)}
        return packages if self._views is None else packages | self._views.describe()

    def close(self) -> None:
        if self._views is not None:
            self._views.close()
            self._views = None
        self.env.close()

    def _observe(self, observation: Any) -> None:
        from gymnasium.spaces import flatten

        self.observation = np.asarray(flatten(self.env.observation_space, observation), np.float32)


def _make(name: str, options: Mapping[str, Any]) -> Any:
    import gymnasium

    return gymnasium.make(name, disable_env_checker=True, **options)


@cache
def _facts(name: str, options: tuple[tuple[str, Any], ...]) -> Facts:
    """Asked of the environment itself, without drawing anything."""
    from gymnasium.spaces import Box, flatdim

    env = _make(name, dict(options))
    try:
        space, inner = env.action_space, env.unwrapped
        if not isinstance(space, Box) or len(space.shape) != 1 or not np.isfinite([space.low, space.high]).all():
            raise BenchmarkError(f"{name} takes {space} for an action; needed is a vector of numbers with bounds")
        hz = 1 / inner.dt if hasattr(inner, "dt") else env.metadata.get("render_fps")
        if not hz:
            raise BenchmarkError(f"{name} does not say how many steps it takes per second (render_fps)")
        low, high = (tuple(map(float, bound)) for bound in (space.low, space.high))
        steps = env.spec.max_episode_steps if env.spec else None
        is_mujoco = hasattr(inner, "model") and hasattr(inner, "data")
        return Facts(low, high, flatdim(env.observation_space), float(hz), steps, is_mujoco)
    finally:
        env.close()
