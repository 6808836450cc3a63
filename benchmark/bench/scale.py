"""How large measurements are: what a GPU is measured at, what a processor can do in minutes, and `--quick`."""

from __future__ import annotations

from dataclasses import dataclass, replace

LARGE, SMALL = 224, 96  # pixels: those of the DynaMo paper and of the environments here


@dataclass(frozen=True)
class Scale:
    preset: str = "paper"  # whose networks
    resolutions: tuple[int, ...] = (SMALL, LARGE)
    seconds: float = 0.5  # that a repetition lasts, about
    repetitions: int = 5
    product: int = 8192  # rows of the square matrices that are multiplied
    copied: int = 1 << 30  # bytes of the arrays that are copied
    written: int = 1 << 28  # bytes of the file that is written
    pixels: int = 512 * LARGE**2  # in a step at most: a graph and single operations hold their activations at the same time
    episodes: int = 12  # of 120 frames, noise
    policy_batch: int = 1 << 30  # samples in a step of a policy at most
    policy_precisions: tuple[str, ...] = ()  # that steps of policies are measured in besides the one that pays by itself
    slots: int = 8  # of a rollout
    ticks: int = 60  # of a rollout, in a repetition
    workers: int | None = None  # simulator processes; None: one per core, 0: none
    artifact: int = 1 << 24  # bytes of an artifact
    starts: int = 5  # of Python processes, each of which takes seconds


GPU = Scale(seconds=0.2, policy_precisions=("bf16",))  # a step takes 4 to 160 ms there
CPU = Scale(seconds=0.3, repetitions=3, product=2048, copied=1 << 28, pixels=16 * LARGE**2, policy_batch=256)
QUICK = replace(
    CPU,
    preset="quick",
    seconds=0.05,
    product=1024,
    written=1 << 26,
    pixels=4 * LARGE**2,
    episodes=4,
    policy_batch=64,
    slots=4,
    ticks=15,
    artifact=1 << 22,
    starts=2,
)


def scale_for(device: str, quick: bool) -> Scale:
    """A GPU multiplies larger matrices even when it has to be quick: small ones do not fill it."""
    if device == "cuda":
        return replace(QUICK, product=GPU.product) if quick else GPU
    return QUICK if quick else CPU
