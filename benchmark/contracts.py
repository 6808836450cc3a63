"""The four things a user can add: an Encoder, the Method that yields it, a Policy, an Environment.

Each is one class in one new file (`methods/`, `policies/`, `envs/`); the registry finds it there. A class carries a `name`, a
`Config` dataclass whose fields are its switches, `presets` (overrides per preset, optionally per environment), and what the
docstrings below ask for. `python -m benchmark check NAME` tells whether an implementation keeps its promises.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.errors import BenchmarkError

# What a preset may override: {"quick": {"width": 16}, "paper": {...}, "paper/kitchen": {"latent_dim": 64}}. The entry of the
# preset is applied first, then that of the preset and environment.
Presets = Mapping[str, Mapping[str, Any]]


OPTIMIZERS = ("adamw", "adam", "sgd", "lars")
SCHEDULES = ("cosine", "constant")


def require(condition: bool, message: str) -> None:
    """For `__post_init__` of configs: an impossible combination stops before any work."""
    if not condition:
        raise BenchmarkError(message)


def check_training(config: MethodConfig | PolicyConfig) -> None:
    """What every config that trains must fulfil."""
    require(config.optimizer in OPTIMIZERS, f"optimizer '{config.optimizer}' is none of {', '.join(OPTIMIZERS)}")
    require(config.schedule in SCHEDULES, f"schedule '{config.schedule}' is none of {', '.join(SCHEDULES)}")
    require(config.lr > 0, f"lr must be positive, not {config.lr}")
    require(config.batch_size >= 1, f"batch_size must be at least 1, not {config.batch_size}")
    require(config.epochs > 0, f"epochs must be positive, not {config.epochs}")
    require(0 <= config.warmup < 1, f"warmup is a fraction of the run below 1, not {config.warmup}")
    require(config.clip is None or config.clip > 0, f"clip must be positive or null, not {config.clip}")


# ---------------------------------------------------------------------------------------------------------------- data


@dataclass(frozen=True)
class DataSpec:
    """What the demonstrations of an environment look like; all a method or policy may know about it."""

    env: str
    views: tuple[str, ...]
    resolution: int
    action_dim: int
    proprio_dim: int
    state_dim: int
    hz: float


@dataclass
class Windows:
    """A batch of windows cut from demonstrations, on the training device. B windows, T frames, V views."""

    frames: Tensor  # (B, T, V, 3, H, W) uint8
    actions: Tensor  # (B, T, A) float32; actions[:, t] is the one taken at frames[:, t]
    proprio: Tensor  # (B, T, P) float32
    episode: Tensor  # (B,) int64, which demonstration
    start: Tensor  # (B,) int64, the time step of the window's first frame


@dataclass(frozen=True)
class Diet:
    """What a method eats."""

    window: int = 1  # frames per sample
    stride: int = 1  # time steps between them
    min_views: int = 1  # an environment with fewer views is refused before any work starts
    actions: bool = False
    proprio: bool = False


@dataclass(frozen=True)
class Group:
    """Parameters that share a learning rate and are clipped together."""

    name: str
    params: list[nn.Parameter]
    lr_scale: float = 1.0
    scheduled: bool = True  # False: constant learning rate, whatever the schedule


# ------------------------------------------------------------------------------------------------------------- encoder


class Encoder(nn.Module, ABC):
    """Images -> features. Owns its preprocessing: callers hand over raw frames of any size.

    `dim` is the width of `pooled`. An encoder with a spatial map also sets `patch_dim` and implements `patch`.
    `reads = "state"` marks the privileged upper bound: it is fed the simulator state instead of frames.
    """

    reads: ClassVar[Literal["frames", "state"]] = "frames"
    dim: int
    patch_dim: int | None = None

    @abstractmethod
    def pooled(self, images: Tensor) -> Tensor:
        """(N, 3, H, W), uint8 or float in [0, 1] -> (N, dim). For `reads = "state"`: (N, state_dim) -> (N, dim)."""

    def patch(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, tokens, patch_dim), row-major over a square grid, without class or register tokens."""
        raise NotImplementedError(f"{type(self).__name__} has no patch features")

    def start_from(self, weights: str) -> None:
        """Take over published weights before any training (`MethodConfig.init`)."""
        raise BenchmarkError(f"init={weights}: a {type(self).__name__} has no ResNet-18 trunk to fill")

    def forward(self, images: Tensor) -> Tensor:
        return self.pooled(images)


def as_float(images: Tensor) -> Tensor:
    """uint8 0..255 -> float 0..1; float passes through."""
    return images.float() / 255 if images.dtype == torch.uint8 else images


# -------------------------------------------------------------------------------------------------------------- method


@dataclass
class MethodConfig:
    """Fields every method has; a method's Config inherits and adds its own switches.

    The budget is not here: `pretrain.frames | steps | epochs` sets it, and `epochs` below is what the literature uses, taken
    when none of the three is given.
    """

    backbone: str = "resnet18"
    width: int = 64  # channels of the first ResNet stage; 64 is the ResNet-18 of the literature (512-d features)
    optimizer: str = "adamw"  # adamw | adam | sgd | lars
    lr: float = 1e-4
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    momentum: float = 0.9  # sgd and lars
    batch_size: int = 64  # windows per step
    epochs: float = 40
    warmup: float = 0.1  # fraction of the run spent in linear warm-up
    schedule: str = "cosine"  # cosine | constant, after the warm-up
    clip: float | None = None  # gradient norm, per group
    init: str = "scratch"  # scratch | imagenet: where the backbone starts; the latter is a ResNet-18 of width 64
    equal_steps: bool = False  # a budget of frames buys one step per 64 of them, however many a step really reads
    tuned: bool = False  # the encoder goes on learning with the policy, instead of being frozen
    tuned_lr: float = 0.1  # of a tuned encoder, as a fraction of the policy's

    def __post_init__(self) -> None:
        check_training(self)
        require(self.init in ("scratch", "imagenet"), f"init '{self.init}' is none of scratch, imagenet")
        resnet18 = self.backbone == "resnet18" and self.width == 64
        require(self.init == "scratch" or resnet18, "init=imagenet needs backbone=resnet18 and width=64, as published")
        require(self.tuned_lr > 0, f"tuned_lr must be positive, not {self.tuned_lr}")


class Method(nn.Module, ABC):
    """A recipe that yields an encoder, by training on demonstrations or from published weights.

    A trainable method implements `build_encoder`, `diet` and `loss`, and usually `after_step` (target networks) or `groups`
    (several optimisers). A fixed one sets `learns = False` and implements `build_encoder` only. The module is constructed on
    the CPU under a seeded global generator, then moved; everything random in `loss` must come from `rng` (dropout may use the
    global generator: it is seeded per step as well), so that a run can stop anywhere and go on bit-exactly.
    """

    name: ClassVar[str]
    Config: ClassVar[type[MethodConfig]] = MethodConfig
    presets: ClassVar[Presets] = {}
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {}  # named ablations: variant -> overrides of Config fields
    learns: ClassVar[bool] = True
    seeded: ClassVar[bool] = True  # False: the same encoder whatever the seed, so it is built and embedded once
    privileged: ClassVar[bool] = False  # sees the simulator state; shown apart in tables
    source: ClassVar[str] = ""  # paper section or repository the recipe comes from, for `list methods`

    def __init__(self, config: Any, data: DataSpec):
        super().__init__()
        self.config, self.data = config, data
        self.encoder = self.build_encoder(config, data)
        if config.init != "scratch":
            self.encoder.start_from(config.init)

    @classmethod
    @abstractmethod
    def build_encoder(cls, config: Any, data: DataSpec) -> Encoder:
        """The bare encoder, before any training. A stored encoder is this plus its saved tensors."""

    @classmethod
    def diet(cls, config: Any) -> Diet:
        """What the method eats under this config."""
        return Diet()

    @classmethod
    def missing(cls, config: Any) -> str | None:
        """None if the method can run here; otherwise what is missing and the command that mends it."""
        return None

    def loss(self, batch: Windows, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """A scalar to minimise and named scalars to log (detached)."""
        raise NotImplementedError(f"{self.name} does not learn")

    def after_step(self, step: int, steps: int) -> None:
        """Called after optimiser step number `step` (from 0) of `steps`: momentum updates go here."""

    def groups(self) -> list[Group]:
        """The trainable parameters. Default: one group of everything that requires a gradient."""
        return [Group("all", [p for p in self.parameters() if p.requires_grad])]


# -------------------------------------------------------------------------------------------------------------- policy


@dataclass(frozen=True)
class PolicySpec:
    """The sizes a policy is built for."""

    feature_dim: int
    action_dim: int
    goal_dim: int = 0


@dataclass
class PolicyConfig:
    """Fields every policy has. Features and actions reach a policy normalised; it answers in normalised actions."""

    history: int = 1  # observations seen
    stride: int = 1  # control steps between them
    chunk: int = 1  # actions predicted
    execute: int = 1  # of which are executed before planning again
    ensemble: bool = False  # average overlapping predictions for a step (then execute is 1)
    optimizer: str = "adamw"
    lr: float = 1e-4
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    momentum: float = 0.9
    batch_size: int = 256
    epochs: float = 100  # the literature's; taken when neither fit.steps nor fit.epochs is given
    warmup: float = 0.0
    schedule: str = "constant"
    clip: float | None = None

    def __post_init__(self) -> None:
        check_training(self)
        require(
            min(self.history, self.stride, self.chunk, self.execute) >= 1, "history, stride, chunk, execute must be at least 1"
        )
        require(self.execute <= self.chunk, f"execute={self.execute} actions cannot come from a chunk of {self.chunk}")
        require(not self.ensemble or self.execute == 1, "ensemble plans at every step: it needs execute=1")


@dataclass
class Chunks:
    """A training batch for a policy: B samples of normalised features and actions."""

    features: Tensor  # (B, history, D) float32, oldest first; left-padded with the episode's first observation
    actions: Tensor  # (B, chunk, A) float32; actions[:, 0] belongs to the newest observation; right-padded
    valid: Tensor  # (B, chunk) bool, False where padded
    goal: Tensor | None = None  # (B, G)
    rows: Tensor | None = None  # (B, history) int64, the time steps of the demonstrations that `features` describe
    goal_rows: Tensor | None = None  # (B,) int64, likewise for `goal` where that is an observation


class Policy(nn.Module, ABC):
    """A history of features (and a goal) -> a chunk of actions.

    A trained policy implements `loss` and `act`; one without training (`learns = False`) implements `prepare` and `act`.
    `prepare` sees all training samples once, before training: tokenizers, neighbour banks. What it fits must live in
    parameters or buffers, because the state dict is what is stored.
    """

    name: ClassVar[str]
    Config: ClassVar[type[PolicyConfig]] = PolicyConfig
    presets: ClassVar[Presets] = {}
    learns: ClassVar[bool] = True
    source: ClassVar[str] = ""

    def __init__(self, config: Any, spec: PolicySpec):
        super().__init__()
        self.config, self.spec = config, spec

    def prepare(self, samples: Chunks, rng: torch.Generator) -> None:
        """Fit what has to be fitted before training starts. `samples` holds the whole training set."""

    def loss(self, batch: Chunks, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        raise NotImplementedError(f"{self.name} does not learn by gradient")

    @abstractmethod
    def act(self, features: Tensor, goal: Tensor | None, rngs: Sequence[torch.Generator]) -> Tensor:
        """(N, history, D) -> (N, chunk, A). Row i may draw from `rngs[i]` only: it belongs to that row's episode."""

    def after_step(self, step: int, steps: int) -> None:
        """As for methods; averaged weights go here."""

    def groups(self) -> list[Group]:
        return [Group("all", [p for p in self.parameters() if p.requires_grad])]


# --------------------------------------------------------------------------------------------------------- environment


@dataclass(frozen=True)
class EnvSpec:
    """What is fixed about an environment before any simulator exists."""

    views: tuple[str, ...]
    action_low: tuple[float, ...]
    action_high: tuple[float, ...]
    proprio_dim: int
    state_names: tuple[str, ...]  # one per state dimension; probes group by the part before the first '/'
    hz: float
    max_steps: int
    metric: str  # the key of `score()` that tables show
    metric_range: tuple[float, float]
    expert_target: float  # the mean of the metric that the scripted expert must reach
    tasks: tuple[str, ...] = ()

    @property
    def action_dim(self) -> int:
        return len(self.action_low)

    @property
    def state_dim(self) -> int:
        return len(self.state_names)


@dataclass
class EnvConfig:
    """Fields every environment has."""

    resolution: int = 96  # square frames
    demonstrations: str = "scripted"  # one of Environment.sources
    episodes: int = 64  # demonstrations to make or to take, the first so many

    def __post_init__(self) -> None:
        require(self.resolution >= 16, "resolution must be at least 16 pixels")
        require(self.episodes >= 2, "episodes must be at least 2: one to train on and one to hold out")


@dataclass
class Episode:
    """One demonstration. T observations and the T actions taken after them."""

    frames: np.ndarray  # (T, V, H, W, 3) uint8
    actions: np.ndarray  # (T, A) float32
    states: np.ndarray  # (T, S) float32
    proprio: np.ndarray  # (T, P) float32
    info: dict[str, Any] = field(default_factory=dict)  # JSON values: score, task order, seed, source


class Expert(ABC):
    """A scripted demonstrator for one episode. What it sets in `info` (JSON values) is kept with the demonstration."""

    info: Mapping[str, Any] = {}

    @abstractmethod
    def act(self) -> np.ndarray | None:
        """The next action for the environment it was made for, or None when it has finished."""


class Environment(ABC):
    """A simulator, its demonstrations and its score. Lives inside one worker process and is reused for many episodes.

    Nothing may depend on global random state, and importing the module must not import the simulator, touch GL or download.
    All observations are those of the current moment: `reset`, then alternate `render`/`proprio`/`state` and `step`.
    """

    name: ClassVar[str]
    Config: ClassVar[type[EnvConfig]] = EnvConfig
    presets: ClassVar[Presets] = {}
    sources: ClassVar[tuple[str, ...]] = ("scripted",)
    simulated: ClassVar[bool] = True  # False: recordings only; policies are scored by what they predict on held-out episodes
    source: ClassVar[str] = ""

    def __init__(self, config: Any):
        self.config = config

    @classmethod
    @abstractmethod
    def spec(cls, config: Any) -> EnvSpec: ...

    @classmethod
    def missing(cls, config: Any) -> str | None:
        """None if it can run here; otherwise what is missing (a package, a library, assets) and the command that mends it."""
        return None

    @classmethod
    def task(cls, config: Any, seed: int) -> str | None:
        """The one task that the episode of a seed asks for, or None where any may be done.

        Demonstrations carry theirs as `info["task"]`: a goal-conditioned policy is given a goal of the same task.
        """
        return None

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
        """Named scores of the episode so far: `spec.metric`, and a 0/1 entry `task/<name>` for each task."""

    @abstractmethod
    def expert(self, seed: int) -> Expert:
        """A demonstrator for the episode just reset; `seed` decides its choices and noise."""

    @classmethod
    def import_demonstrations(cls, config: Any) -> Iterator[Episode]:
        """Recorded demonstrations for a source other than 'scripted', in a fixed order."""
        raise NotImplementedError(f"{cls.name} has no recorded demonstrations")

    def replay(self, states: np.ndarray, actions: np.ndarray) -> dict[str, float]:
        """Send a recording's actions from its first state: how far the simulator strays from it, and what is reached."""
        raise NotImplementedError(f"{self.name} cannot replay recordings")

    def describe(self) -> dict[str, str]:
        """What a manifest should know of this simulator: versions, rendering backend."""
        return {}

    def close(self) -> None:  # noqa: B027 - an environment may have nothing to free
        """Free the simulator and its GL context."""
