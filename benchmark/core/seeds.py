"""One seed discipline: every random choice has a path of words and numbers, and the path alone decides it.

A path names the purpose and what it is for, e.g. `seed("validation", 0)`. It never contains a batch size, a worker
number or a completion order, so none of them can change a result. Evaluation seeds carry a bit that no other seed carries:
the two ranges are disjoint by construction, not by luck.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

EVALUATION_BIT = 1 << 61


def sequence(*path: str | int) -> np.random.SeedSequence:
    """The `SeedSequence` of a path. Words enter through a hash because Python's own differs between processes."""
    entropy = [p if isinstance(p, int) else int.from_bytes(hashlib.sha256(p.encode()).digest()[:8], "little") for p in path]
    return np.random.SeedSequence(entropy)


def seed(*path: str | int) -> int:
    """A 61-bit integer seed for a path (training, demonstrations, initialisation)."""
    return int(sequence(*path).generate_state(1, np.uint64)[0]) % EVALUATION_BIT


def evaluation_seed(*path: str | int) -> int:
    """A seed from the range reserved for evaluation episodes.

    The heads' quick settings were chosen on another stream, named "evaluation": what tables show was never tuned on.
    """
    return seed("evaluation of tables", *path) | EVALUATION_BIT


def numpy_rng(*path: str | int) -> np.random.Generator:
    return np.random.default_rng(sequence(*path))


def torch_rng(*path: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    import torch  # not above: a simulator's process draws seeds and has no use for it

    return torch.Generator(device).manual_seed(seed(*path))
