#!/usr/bin/env python3
"""Trains our DynaMo and the released one side by side: the same start, the same batches, the same optimiser settings.

    git clone https://github.com/jeffacce/dynamo_ssl
    python scripts/compare_reference.py --dynamo dynamo_ssl --synthetic       # no data needed; two minutes on two cores
    BENCHMARK_PUSHT_DATA=... python scripts/compare_reference.py --dynamo dynamo_ssl   # human Push-T demonstrations
    ... --variant dynamo dynamo:release_covariance --steps 200                # other weightings of ours

Of the release its networks, its loss and its moving averages run, imported from the checkout; what its train.py does around
them is done again (scripts/released_dynamo.py). The learning rate, the models and the weights of the loss are those of
`--preset paper` on Push-T. An epoch is `steps / epochs` steps for both.

- With `--schedule constant`, which is what the release does on LIBERO Goal, dynamo:as_released differs by rounding only, and
  `--double` shows that it does.
- With `--schedule cosine` ours moves its rates in every step, starts above zero, and its optimiser has not seen the gradients
  of the first epoch, in which the release's gathers moments at a rate of zero. dynamo:as_released differs by that.

Not compared: the data loaders (all get the same windows, the release as floats, as its loaders give them, and the conversion
is not timed), the windows at the end of episodes that its slicers lose, synchronised batch norms, its offline evaluation.
Weight decay is that of the paper, zero; the release has 1e-6 on Push-T. `--width` other than 64 puts our narrower trunk into
the release's encoder, which has one size. Steps are not captured as graphs on a GPU: `python -m benchmark bench` measures that.

Exits 1 if dynamo:as_released does not start from the release's loss, 2 if something is missing.
"""

from __future__ import annotations

import argparse
import copy
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from released_dynamo import Released, copy_state, load_release
from torch import Tensor, nn

from benchmark.bench.released import URL
from benchmark.contracts.data import DataSpec, Episode, Windows
from benchmark.contracts.encoder import as_float
from benchmark.contracts.environment import data_spec
from benchmark.contracts.presets import component_config
from benchmark.core.errors import BenchmarkError
from benchmark.core.names import parse_row
from benchmark.core.seeds import numpy_rng
from benchmark.data.episodes import Demos
from benchmark.data.windows import WindowSampler
from benchmark.envs.pusht import PushT, PushTConfig
from benchmark.methods.dynamo import Config, DynaMo
from benchmark.planning.variants import with_variant
from benchmark.stages.probe import health, linear_r2, singular_values, standardised
from benchmark.training.accelerator import EagerStep
from benchmark.training.optimizers import make_optimizer, set_learning_rates

AS_RELEASED = "dynamo:as_released"
TOLERANCE = 1e-5  # of the first loss, about 1: a hundred times float32's rounding
HELD_OUT = 0.2  # of the episodes: few are loaded, and the probe needs several held-out ones
ROWS = 20  # of the table
BLOCK = 128  # frames encoded at once


@dataclass(frozen=True)
class Terms:
    """Of the loss of a step."""

    loss: float
    dynamics: float
    covariance: float


# ------------------------------------------------------------------------------------------------------- the two in training


class Implementation(Protocol):
    @property
    def encoder(self) -> nn.Module: ...

    def prepare(self, frames: Tensor) -> Tensor:
        """What its loader would have given it."""

    def step(self, batch: Windows, number: int) -> tuple[Tensor, Tensor, Tensor]:
        """One step of the optimisers: the loss and its terms, dynamics and covariance."""


class Ours:
    """As `benchmark.training.loop` trains it."""

    def __init__(self, config: Config, spec: DataSpec, start: Released):
        device = str(next(start.encoder.parameters()).device)
        self.config, self.steps = config, start.steps
        self.method = DynaMo(config, spec).to(device, start.dtype).train()
        self.encoder = self.method.encoder
        copy_state(start, self.method)
        self.groups = self.method.groups()
        self.optimizer = make_optimizer(self.groups, config)
        self.take = EagerStep(self.method, self.groups, self.optimizer, config.clip, device, "fp32")

    def prepare(self, frames: Tensor) -> Tensor:
        return frames

    def step(self, batch: Windows, number: int) -> tuple[Tensor, Tensor, Tensor]:
        set_learning_rates(self.optimizer, self.groups, self.config, number, self.steps)
        values = self.take(batch, number)
        self.method.after_step(number, self.steps)
        return values["loss"], values["dynamics"], values.get("covariance", torch.zeros(()))


@dataclass
class Side:
    """An implementation and what it has done so far."""

    name: str
    implementation: Implementation
    course: list[Terms] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def train(self, batch: Windows, number: int) -> None:
        batch = replace(batch, frames=self.implementation.prepare(batch.frames))
        torch.manual_seed(number)
        wait()
        start = time.perf_counter()
        terms = self.implementation.step(batch, number)
        wait()
        self.seconds.append(time.perf_counter() - start)
        self.course.append(Terms(*(float(term) for term in terms)))

    @property
    def measured(self) -> np.ndarray:
        """Seconds of each step. The first, which allocates and chooses kernels, does not count where there are others."""
        return np.array(self.seconds[1:] or self.seconds)


def wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


# -------------------------------------------------------------------------------------------------------------------- data


def human(resolution: int, episodes: int) -> Demos:
    """The first of the 206 human demonstrations of Push-T, drawn at this resolution."""
    config = PushTConfig(resolution=resolution, demonstrations="human")
    return in_memory(data_spec(PushT, config), list(islice(PushT.import_demonstrations(config), episodes)))


def synthetic(resolution: int, episodes: int, length: int = 60) -> Demos:
    """Two squares that wander; where they are is the state."""
    rng, side = numpy_rng("synthetic frames"), max(2, resolution // 8)
    made = []
    for _ in range(episodes):
        wander = rng.uniform(0, 2, 4) + np.cumsum(rng.normal(0, 0.06, (length, 4)), axis=0)
        places = np.abs(wander % 2 - 1).astype(np.float32)  # reflected at 0 and 1
        frames = np.full((length, 1, resolution, resolution, 3), 40, np.uint8)
        for frame, (x, y, u, v) in zip(frames[:, 0], (places * (resolution - side)).astype(int), strict=True):
            frame[v : v + side, u : u + side] = (60, 160, 250)
            frame[y : y + side, x : x + side] = (250, 120, 60)
        made.append(Episode(frames, places[:, :2], places, places[:, :2]))
    return in_memory(DataSpec("synthetic", ("top",), resolution, 2, 2, 4, 10.0), made)


def in_memory(spec: DataSpec, episodes: Sequence[Episode]) -> Demos:
    arrays = {
        name: np.concatenate([getattr(episode, name) for episode in episodes])
        for name in ("frames", "actions", "states", "proprio")
    }
    return Demos(spec, **arrays, ends=np.cumsum([len(e.actions) for e in episodes]), infos=[e.info for e in episodes])


# ----------------------------------------------------------------------------------------------------------- what is printed


@dataclass(frozen=True)
class Probe:
    linear_r2: float
    effective_rank: float

    def __str__(self) -> str:
        return f"{self.linear_r2:10.3f}{self.effective_rank:16.1f}"


def probe(encoder: nn.Module, demos: Demos, most: int) -> Probe:
    """The measures of the benchmark's probe, on `most` frames spread evenly over each part."""
    train, held_out = (
        rows[np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int)]
        for rows in (demos.steps_of(episodes) for episodes in demos.split(HELD_OUT))
    )
    x, x_test = features(encoder, demos.frames[train]), features(encoder, demos.frames[held_out])
    scaled, scaled_test = standardised(x, x_test)
    y, y_test = (demos.states[rows].astype(np.float64) for rows in (train, held_out))
    scores = linear_r2(scaled, y, scaled_test, y_test)
    return Probe(float(scores.mean()), health(x, singular_values(x))["effective_rank"])


@torch.no_grad()
def features(encoder: nn.Module, frames: np.ndarray) -> np.ndarray:
    """(N, 1, H, W, 3) -> (N, D) in evaluation mode, of a copy: training goes on undisturbed."""
    frozen, like = copy.deepcopy(encoder).eval(), next(encoder.parameters())
    blocks = (torch.from_numpy(frames[at : at + BLOCK, 0]).to(like.device) for at in range(0, len(frames), BLOCK))
    return np.concatenate([frozen(as_float(b.permute(0, 3, 1, 2)).to(like.dtype)).double().cpu().numpy() for b in blocks])


def course_table(theirs: Sequence[Terms], ours: Sequence[Terms]) -> str:
    """A line for each step, or for about twenty of them with the last: release, ours, ours minus release, for each term."""
    names = ("loss", "dynamics", "covariance")
    lines = ["  step" + "".join(f"{f'{name}: release':>21}{'ours':>11}{'difference':>12}" for name in names)]
    every = math.ceil(len(theirs) / ROWS)
    for step in [*range(0, len(theirs) - 1, every), len(theirs) - 1]:
        line = f"{step:6}"
        for name in names:
            a, b = getattr(theirs[step], name), getattr(ours[step], name)
            line += f"{a:21.7f}{b:11.7f}{b - a:+12.1e}"
        lines.append(line)
    return "\n".join(lines)


def largest_difference(theirs: Sequence[Terms], ours: Sequence[Terms]) -> float:
    return max(abs(b.loss - a.loss) for a, b in zip(theirs, ours, strict=True))


# -------------------------------------------------------------------------------------------------------------------- main


def settings(options: argparse.Namespace) -> Config:
    """The paper's on Push-T, as far as nothing else is asked for. A constant rate has no warm-up, as in the release."""
    base = component_config(DynaMo, "paper", "pusht")
    return replace(
        base,
        width=options.width,
        context=options.context,
        batch_size=options.batch,
        epochs=options.epochs,
        target=options.target,
        schedule=options.schedule,
        warmup=base.warmup if options.schedule == "cosine" else 0.0,
    )


def variant_of(name: str, config: Config) -> Config:
    method, variant = parse_row(name)
    if method != "dynamo":
        raise BenchmarkError(f"{name} is no variant of dynamo; the release holds no other method")
    return with_variant(DynaMo, config, variant, "pusht")


@dataclass(frozen=True)
class Comparison:
    heading: str
    release: Side
    ours: list[Side]
    probes: dict[str, Probe]  # by name; `start` is where all of them began
    frames: int  # in a step


def compare(options: argparse.Namespace) -> Comparison:
    config = settings(options)
    variants = {name: variant_of(name, config) for name in options.variant}
    release = load_release(options.dynamo)
    device, dtype = ("cuda" if torch.cuda.is_available() else "cpu"), (torch.float64 if options.double else torch.float32)
    demos = (synthetic if options.synthetic else human)(options.resolution, options.episodes)
    torch.manual_seed(options.seed)
    start = Released(release, config, options.steps, device, dtype)
    theirs = Side("release", start)
    ours = [Side(name, Ours(variant, demos.spec, start)) for name, variant in variants.items()]
    sides = [theirs, *ours]
    training, _ = demos.split(HELD_OUT)
    sampler = WindowSampler(demos, training, DynaMo.batch_spec(config), config.batch_size, options.seed, device)
    probes = {"start": probe(start.encoder, demos, options.probe)}
    for step in range(options.steps):
        batch = sampler.batch_at(step)
        for side in sides if step % 2 == 0 else sides[::-1]:
            side.train(batch, step)
    probes |= {side.name: probe(side.implementation.encoder, demos, options.probe) for side in sides}
    machine = torch.cuda.get_device_name() if device == "cuda" else f"processor, threads: {torch.get_num_threads()}"
    heading = (
        f"{demos.spec.env}, {len(demos)} episodes, {options.resolution} px, width {config.width}, "
        f"{sampler.frames_per_step} frames a step, {options.steps} steps as {config.epochs:g} epochs, {config.schedule} rate, "
        f"target {config.target}, {dtype}, torch {torch.__version__}, {machine}"
    )
    return Comparison(heading, theirs, ours, probes, sampler.frames_per_step)


def report(comparison: Comparison) -> int:
    """Prints everything; the exit code."""
    release, code = comparison.release, 0
    print(comparison.heading)
    for side in comparison.ours:
        first = abs(side.course[0].loss - release.course[0].loss)
        print(f"\n{side.name}\n{course_table(release.course, side.course)}")
        print(f"first loss: {first:.1e} apart; largest difference: {largest_difference(release.course, side.course):.1e}")
        if side.name == AS_RELEASED and not first <= TOLERANCE:
            print(f"{side.name} does not start from the loss of the release (tolerance {TOLERANCE:g})", file=sys.stderr)
            code = 1
    print(f"\n{'':28}{'linear R2':>10}{'effective rank':>16}{'frames/s':>10}{'to release':>12}")
    print(f"{'start':28}{comparison.probes['start']}")
    for side in (release, *comparison.ours):
        rate, ratio = comparison.frames / np.median(side.measured), np.median(release.measured / side.measured)
        print(f"{side.name:28}{comparison.probes[side.name]}{rate:10.1f}{ratio:12.2f}")
    return code


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dynamo", type=Path, required=True, metavar="PATH", help=f"a checkout of {URL}")
    parser.add_argument("--variant", nargs="+", default=[AS_RELEASED], metavar="NAME", help=f"of ours (default: {AS_RELEASED})")
    parser.add_argument("--synthetic", action="store_true", help="squares that wander, instead of demonstrations of Push-T")
    for name, default, text in (
        ("episodes", 40, "so many of the demonstrations"),
        ("resolution", 96, "pixels"),
        ("width", 64, "channels of the first ResNet stage; the release's has 64"),
        ("context", 5, "frames in a window"),
        ("batch", 8, "windows in a step"),
        ("steps", 20, "steps"),
        ("epochs", 40, "so many epochs are the steps, for schedule and momentum"),
        ("probe", 600, "frames of each part that the probe looks at, at most"),
        ("seed", 0, "of the start and of the order of windows"),
    ):
        parser.add_argument(f"--{name}", type=int, default=default, metavar="N", help=f"{text} (default: {default})")
    parser.add_argument("--schedule", choices=("constant", "cosine"), default="constant", help="default: constant")
    parser.add_argument("--target", choices=("simsiam", "ema"), default="simsiam", help="default: simsiam")
    parser.add_argument("--double", action="store_true", help="float64 in both, which leaves hardly any rounding")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    try:
        return report(compare(parser().parse_args(arguments)))
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    raise SystemExit(main())
