"""What a feature keeps: the linear probe of each part of the simulator's state, beside the score that the row reaches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from benchmark.core.errors import BenchmarkError
from benchmark.report.ledgers import over_seeds
from benchmark.report.table import Table, TableColumn, TableRow, estimate_cell
from benchmark.results import statistics
from benchmark.results.bundle import Results
from benchmark.results.gather import IDENTITY
from benchmark.results.view import Column, Options, ResultsView


def probes(results: Results, options: Options) -> Table:
    """Held-out R² by part of the state, and whether it goes with the score."""
    frames = ResultsView(results.records, results.cells, options)
    place = Column(frames.env, frames.policy)
    found = by_part(results.provenance)
    found = found[(found.env == place.env) & (found.policy == place.policy)].dropna(axis="columns", how="all")
    parts = [str(name) for name in found.columns if name not in IDENTITY]
    if not parts:
        raise BenchmarkError(f"no parts of a state were probed for {place.policy} in {place.env}")
    rows = []
    for key in frames.keys:
        probed = frames.done(place, key).probe_linear.notna().any()
        here = found[(found.method == key.method) & (found.variant == key.variant) & probed]
        line = [over_seeds(here[part], lambda value: f"{value:.2f}") for part in parts]
        rows.append(TableRow(str(key), (*line, frames.score(place, key)), frames.kind(key)))
    caption = (
        f"Linear probe of each part of the simulator's state, R² on held-out demonstrations (mean over seeds), and score with "
        f"policy {place.policy}. {frames.protocol([place])}"
    )
    columns = (*(TableColumn(f"probe/{part}", part) for part in parts), TableColumn("score", frames.title(place.env)))
    remarks = [_together(part, index, rows, options) for index, part in enumerate(parts)]
    return Table("probes", caption, "Method", columns, tuple(rows), tuple(filter(None, remarks)))


def by_part(provenance: Mapping[str, Any]) -> pd.DataFrame:
    """A row per cell, a column per part of the state."""
    rows = []
    for cell in provenance["cells"]:
        probe = provenance["stages"].get(cell["stages"].get("probe"), {"summary": {}})
        rows.append({**probe["summary"].get("linear_r2_by_group", {}), **{name: cell[name] for name in IDENTITY}})
    return pd.DataFrame(rows, columns=None if rows else IDENTITY)


def _together(part: str, index: int, rows: list[TableRow], options: Options) -> str:
    """Rank correlation of a column with the score; the ceiling knows the state, so it would only confirm itself. Empty where
    too few rows, or equal ones, say nothing."""
    pairs = [(row.cells[index].value, row.cells[-1].value) for row in rows if row.kind != "ceiling"]
    known = [(probe, score) for probe, score in pairs if probe is not None and score is not None]
    if len(known) < statistics.MIN_ROWS:
        return ""
    found = statistics.rank_correlation([probe for probe, _ in known], [score for _, score in known], options.level)
    if not np.isfinite(found.estimate):
        return ""
    between = estimate_cell(found.estimate, found.low, found.high).text
    return f"{part}: rank correlation of R² and score {between} over {len(known)} rows."
