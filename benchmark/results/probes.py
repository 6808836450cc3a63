"""What a feature keeps of each part of the simulator's state: the linear probes that the manifests of probe stages hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from benchmark.results import statistics
from benchmark.results.options import RowId
from benchmark.results.statistics import Interval
from benchmark.results.view import ResultsView
from benchmark.storage.columns import IDENTITY


def by_part(provenance: Mapping[str, Any]) -> pd.DataFrame:
    """Held-out R²: a row per cell, a column per part of the state."""
    rows = []
    for cell in provenance["cells"]:
        probe = provenance["stages"].get(cell["stages"].get("probe"), {"summary": {}})
        rows.append({**probe["summary"].get("linear_r2_by_group", {}), **{name: cell[name] for name in IDENTITY}})
    return pd.DataFrame(rows, columns=None if rows else IDENTITY)


def over_seeds(view: ResultsView) -> dict[RowId, pd.DataFrame]:
    """For each row in the column of the view: a line per seed, a column per part of the state that was probed there."""
    parts = by_part(view.results.provenance)
    parts = parts[(parts.env == view.env) & (parts.policy == view.policy)]
    values = parts.drop(columns=IDENTITY).dropna(axis="columns", how="all")

    def of(row: RowId) -> pd.DataFrame:
        probed = view.done(view.column, row).probe_linear.notna().any()
        return values[(parts.method == row.method) & (parts.variant == row.variant) & probed]

    return {row: of(row) for row in view.rows}


def correlation(pairs: Sequence[tuple[float, float]], level: float) -> Interval | None:
    """Of (probe, score) over rows; None where too few rows, or equal ones, say nothing."""
    if len(pairs) < statistics.MIN_ROWS:
        return None
    found = statistics.rank_correlation([probe for probe, _ in pairs], [score for _, score in pairs], level)
    return found if np.isfinite(found.estimate) else None
