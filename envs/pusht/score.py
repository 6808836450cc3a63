"""What an episode of Push-T is worth."""

from __future__ import annotations

from collections.abc import Sequence

SUCCESS = 0.95  # of the goal covered (Diffusion Policy and gym-pusht)


def summarise(coverages: Sequence[float]) -> dict[str, float]:
    """From the coverage at the start and after every step. DynaMo reports the last (release, `envs/pusht.py`); Diffusion Policy
    the best, which a long episode inflates; gym-pusht ends when the block is first in place."""
    return {
        "final_coverage": coverages[-1],
        "max_coverage": max(coverages),
        "success_at_end": float(coverages[-1] > SUCCESS),
        "success_ever": float(max(coverages) > SUCCESS),
    }
