"""The typed shape of everything that can be set, besides the Config of each method, policy and environment."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import Any

from omegaconf import MISSING

from benchmark.contracts.specs import feature_parts, require
from benchmark.core.errors import BenchmarkError, UnknownName

AUGMENTATIONS = ("none", "bridge")
GOALS = ("none", "last", "future", "task", "language")
MOST_THREADS = 1024  # more than any machine has cores; some OpenMP runtimes crash on far more
MOST_WORKERS = 1024  # processes
MOST_PIECES = 1 << 16  # of a batch
PRECISIONS = ("auto", "fp32", "bf16")
POLICY_PRECISIONS = ("auto", "fp32", "tf32", "bf16")
TRACKERS = ("none", "tensorboard", "wandb", "trackio")
SHIFTS = ("none", "mild", "medium", "strong")


@dataclass
class SplitConfig:
    held_out: float = 0.1  # fraction of demonstrations that no training sees; probes and validation use them
    held_out_from_policies: float | None = None  # the same for policies, where it is another; the smaller set is in the larger

    def __post_init__(self) -> None:
        require(0 < self.held_out < 1, f"split.held_out must lie between 0 and 1, not {self.held_out}")
        theirs = self.held_out_from_policies
        require(theirs is None or 0 < theirs < 1, f"split.held_out_from_policies must lie between 0 and 1, not {theirs}")

    @property
    def from_policies(self) -> float:
        return self.held_out_from_policies or self.held_out

    @property
    def from_all(self) -> float:
        """What neither an encoder nor a policy is trained on."""
        return min(self.held_out, self.from_policies)


@dataclass
class ShiftConfig:
    """Visual shift of camera, light, colour and things in view, drawn anew for each episode: none, mild, medium or strong."""

    train: str = "none"  # of the demonstrations
    evaluation: str = "none"  # of the rollouts

    def __post_init__(self) -> None:
        for when in (self.train, self.evaluation):
            require(when in SHIFTS, f"visual shift '{when}' is none of {', '.join(SHIFTS)}")


@dataclass
class PretrainConfig:
    """The pretraining budget, the same for every row: exactly one of the three, or none for each method's own epochs."""

    frames: int | None = None  # frames drawn from the demonstrations, repetitions counted
    steps: int | None = None  # optimiser steps
    epochs: float | None = None  # passes over the training frames
    precision: str = "auto"  # auto | fp32 | bf16; auto is bf16 where the processor has matrix units for it
    compile: bool = False  # the loss by torch.compile, which takes a minute or two; for long runs on a GPU
    checkpoint_every: int = 200  # steps between checkpoints that an interrupted run resumes from; more on a fast GPU

    def __post_init__(self) -> None:
        given = [n for n in ("frames", "steps", "epochs") if getattr(self, n) is not None]
        require(len(given) <= 1, f"pretrain.{' and pretrain.'.join(given)} both set the budget; give one")
        require(all(0 < getattr(self, n) < inf for n in given), "the pretraining budget must be positive and finite")
        _check_precision("pretrain", self.precision)
        require(self.checkpoint_every >= 1, "pretrain.checkpoint_every must be at least 1")


def _check_precision(stage: str, precision: str, known: tuple[str, ...] = PRECISIONS) -> None:
    require(precision in known, f"{stage}.precision '{precision}' is none of {', '.join(known)}")


@dataclass
class EmbedConfig:
    # Any that the encoder has: pooled, patch, layer3 or block6; patch@3: averaged to a 3 x 3 grid; several joined by '+'
    features: str = "pooled"
    precision: str = "auto"  # as of pretraining: auto | fp32 | bf16, here and in rollouts

    def __post_init__(self) -> None:
        _check_precision("embed", self.precision)
        feature_parts(self.features)


@dataclass
class DaggerConfig:
    """More demonstrations where the policy goes: fit, let it act while the expert labels every state, and fit again."""

    rounds: int = 0
    episodes: int = 21  # a round; SpawnNet's release plays each of its training assets once
    most: int = 200  # episodes that are kept, the newest; as in SpawnNet's release
    steps: int | None = None  # of the fits before the last one; null: as many as of the last one

    def __post_init__(self) -> None:
        require(self.rounds >= 0, f"fit.dagger.rounds must not be negative, it is {self.rounds}")
        require(self.episodes >= 1, f"fit.dagger.episodes must be at least 1, not {self.episodes}")
        require(self.most >= 2, f"fit.dagger.most must be at least 2, not {self.most}: one to train on and one to hold out")
        require(self.steps is None or self.steps >= 1, f"fit.dagger.steps must be at least 1, not {self.steps}")


@dataclass
class FitConfig:
    """The policy budget, the same for every encoder."""

    steps: int | None = None
    epochs: float | None = None  # none of the two: the policy's own epochs
    checkpoint_every: int = 500
    proprio: bool = False  # the policy is given proprioception besides features
    goal: str = "none"  # none | last or future observation of the demonstration | task | language
    precision: str = "auto"  # of the policy's training: auto | fp32 | tf32 | bf16; auto is tf32 on CUDA devices
    compile: bool = False  # as of pretraining
    standardise: bool = True  # features, to mean 0 and variance 1; the release feeds them raw. The state always is
    dagger: DaggerConfig = field(default_factory=DaggerConfig)

    def __post_init__(self) -> None:
        _check_precision("fit", self.precision, POLICY_PRECISIONS)
        require(self.goal in GOALS, f"fit.goal '{self.goal}' is none of {', '.join(GOALS)}")
        require(self.steps is None or self.epochs is None, "fit.steps and fit.epochs both set the budget; give one")
        given = [n for n in (self.steps, self.epochs) if n is not None]
        require(all(0 < n < inf for n in given), "the policy budget must be positive and finite")
        require(self.checkpoint_every >= 1, f"fit.checkpoint_every must be at least 1, not {self.checkpoint_every}")


@dataclass
class JointConfig:
    """Rows whose encoder goes on learning with the policy: `NAME:finetuned`, and methods that learn in no other way."""

    # PATTERN:RATE, as in [trunk.layer4.*:0.5,*:0]: learning rates of the encoder's parameters by name, as fractions of the
    # policy's; 0 or no match: frozen. The first match counts. Empty: all of it, at the row's rate (0.1 after a pretraining,
    # 1 from scratch).
    rates: list[str] = field(default_factory=list)
    batch: int = 64  # samples per step: each costs a pass through the encoder
    augment: str = "none"  # none | bridge: crops and colours of the frames, shared by an observation, its history and its goal

    def __post_init__(self) -> None:
        require(self.augment in AUGMENTATIONS, f"joint.augment '{self.augment}' is none of {', '.join(AUGMENTATIONS)}")
        require(self.batch >= 1, f"joint.batch must be at least 1, not {self.batch}")
        rates = [rate for _, rate in self.pairs]
        require(all(0 <= rate < inf for rate in rates), "joint.rates must be finite and not negative")
        require(not rates or any(rates), "joint.rates trains nothing: take the row without :finetuned")

    @property
    def pairs(self) -> tuple[tuple[str, float], ...]:
        """(pattern, rate), in order."""
        return tuple(_pattern_and_rate(text) for text in self.rates)


def _pattern_and_rate(text: str) -> tuple[str, float]:
    pattern, _, rate = text.rpartition(":")
    try:
        return pattern or "*", float(rate)
    except ValueError as error:
        raise BenchmarkError(f"joint.rates: '{text}' is not PATTERN:RATE, e.g. [trunk.layer4.*:0.5,*:0]") from error


@dataclass
class RolloutConfig:
    episodes: int = 20  # evaluation episodes per cell
    slots: int = 8  # episodes in flight at once; part of the recipe, unlike the number of workers
    starts: str = "evaluation"  # evaluation | demonstrations: those of the training set, to see whether a policy fits at all
    checkpoint: str = "last"  # last | validation (lowest loss on held-out demonstrations); never chosen on rollouts
    timeout: float = 120.0  # seconds without an answer after which a simulator is given up

    def __post_init__(self) -> None:
        require(self.episodes >= 1, f"rollout.episodes must be at least 1, not {self.episodes}")
        require(self.slots >= 1, f"rollout.slots must be at least 1, not {self.slots}")
        require(
            self.starts in ("evaluation", "demonstrations"),
            f"unknown rollout.starts '{self.starts}': evaluation, demonstrations",
        )
        require(0 < self.timeout < inf, f"rollout.timeout is a number of seconds above 0, not {self.timeout:g}")
        require(self.checkpoint in ("last", "validation"), f"unknown rollout.checkpoint '{self.checkpoint}': last, validation")


@dataclass
class MachineConfig:
    """Where it runs. `device` is resolved by the machine that executes a stage, and recorded in the manifest."""

    device: str = "auto"  # auto | cpu | cuda
    workers: int | None = (
        None  # simulator processes of a stage; null: one per core that the stage gets; 0: none, all happens in this process
    )
    threads: int | None = None  # of a training process; null: one per core. Sums are rounded by it (docs/reliability.md)
    processes: int = 1  # that train one encoder together, each a part of every batch; on GPUs one for each (docs/launchers.md)
    accumulate: int = 1  # pieces that a process computes its part of a batch in, for methods that compare no windows
    zero: int = 0  # what these processes divide among them: 1 the optimiser's state, 2 gradients as well (docs/launchers.md)
    deepspeed: str | None = None  # a DeepSpeed configuration that says so (planning/config/deepspeed.py)
    cores: int | None = None  # that stages share, side by side; 1: one after another in this process; null: all there are
    memory: float | None = None  # GB that stages share; null: all there is
    gpus: int | None = None  # that stages share; null: all that torch finds

    def __post_init__(self) -> None:
        require(self.device in ("auto", "cpu", "cuda"), f"machine.device '{self.device}' is none of auto, cpu, cuda")
        for name, least, most in (
            *(("workers", 0, MOST_WORKERS), ("threads", 1, MOST_THREADS)),
            *(("processes", 1, MOST_WORKERS), ("accumulate", 1, MOST_PIECES)),
        ):
            count = getattr(self, name)
            require(count is None or least <= count <= most, f"machine.{name} must be from {least} to {most}, not {count}")
        require(self.zero in (0, 1, 2), f"machine.zero is a stage of ZeRO, 0, 1 or 2, not {self.zero}")
        require(self.processes > 1 or not self.zero, "machine.zero divides what machine.processes have; there is one of them")
        for name in ("cores", "memory"):
            value = getattr(self, name)
            require(value is None or value > 0, f"machine.{name} must be positive, not {value}")
        require(self.gpus is None or self.gpus >= 0, f"machine.gpus must not be negative, but is {self.gpus}")


@dataclass
class StageResources:
    """What a stage of one kind takes of a machine; null: what the plan estimates (planning/resources.py)."""

    cores: int | None = None
    memory: float | None = None  # GB
    gpu: float | None = None  # share of one; more than one: that many
    minutes: float | None = None  # that a scheduler is asked for

    def __post_init__(self) -> None:
        for name in ("cores", "minutes"):
            value = getattr(self, name)
            require(value is None or value > 0, f"resources: {name} must be positive, not {value}")
        for name in ("memory", "gpu"):
            require((getattr(self, name) or 0) >= 0, f"resources: {name} must not be negative, but is {getattr(self, name)}")


@dataclass
class ResourcesConfig:
    demos: StageResources = field(default_factory=StageResources)
    collect: StageResources = field(default_factory=StageResources)
    pretrain: StageResources = field(default_factory=StageResources)
    embed: StageResources = field(default_factory=StageResources)
    probe: StageResources = field(default_factory=StageResources)
    tokenize: StageResources = field(default_factory=StageResources)
    fit: StageResources = field(default_factory=StageResources)
    rollout: StageResources = field(default_factory=StageResources)


@dataclass
class LaunchConfig:
    """What any launcher does about stages that are lost: their process, their node, or the memory they needed."""

    retries: int = 2  # of a stage that was lost; one that failed is not tried again
    # A pretraining that ran out of memory and can have no more of it is tried again with machine.accumulate doubled. Its
    # manifest says so, because sums are rounded in another order; the alternative is no result.
    divide_batches: bool = True

    def __post_init__(self) -> None:
        require(self.retries >= 0, f"launch.retries must not be negative, but is {self.retries}")


@dataclass
class SlurmConfig:
    """Of the cluster, for `--launcher slurm`. Cores, memory and minutes come from resources."""

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    gres: str | None = None  # of stages that want a GPU, as in gpu:a100:1; null: --gpus-per-node
    setup: list[str] = field(default_factory=list)  # lines of shell before the stage: module load cuda
    signal: int = 90  # seconds before the end of its time in which a stage is told to stop and queued again
    timeouts: int = 10  # how often a stage may run out of its minutes and go on from its checkpoint
    side_by_side: int = 256  # tasks of one array at the same time
    array: int = 1000  # tasks of one array: clusters refuse more than MaxArraySize, 1001 unless set

    def __post_init__(self) -> None:
        require(self.signal > 0 and self.side_by_side > 0 and self.array > 0, "slurm: signal, side_by_side, array are positive")
        require(self.timeouts >= 0, f"slurm.timeouts must not be negative, but is {self.timeouts}")


@dataclass
class RayConfig:
    address: str | None = None  # of a cluster that runs, or auto; null: one on this machine for the length of the run


@dataclass
class Schema:
    """The root. `method`, `policy` and `env` hold one typed entry per selected component."""

    preset: str = MISSING
    shift: ShiftConfig = field(default_factory=ShiftConfig)
    split: SplitConfig = field(default_factory=SplitConfig)
    pretrain: PretrainConfig = field(default_factory=PretrainConfig)
    embed: EmbedConfig = field(default_factory=EmbedConfig)
    fit: FitConfig = field(default_factory=FitConfig)
    joint: JointConfig = field(default_factory=JointConfig)
    rollout: RolloutConfig = field(default_factory=RolloutConfig)
    machine: MachineConfig = field(default_factory=MachineConfig)
    resources: ResourcesConfig = field(default_factory=ResourcesConfig)
    launch: LaunchConfig = field(default_factory=LaunchConfig)
    slurm: SlurmConfig = field(default_factory=SlurmConfig)
    ray: RayConfig = field(default_factory=RayConfig)
    tracker: str = "none"  # none | tensorboard | wandb | trackio: learning curves while they grow; on no key

    def __post_init__(self) -> None:
        if self.tracker not in TRACKERS:
            raise UnknownName("tracker", self.tracker, TRACKERS)
        require(
            not self.pretrain.compile or self.machine.processes == 1,
            "pretrain.compile=true compiles the step of one process, which sends nothing to others: set machine.processes=1",
        )


@dataclass
class Config(Schema):
    """A composed, validated configuration for one environment: plain dataclasses, no OmegaConf left."""

    method: dict[str, Any] = field(default_factory=dict)
    policy: dict[str, Any] = field(default_factory=dict)
    env: dict[str, Any] = field(default_factory=dict)
