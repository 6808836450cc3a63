"""What more pretraining buys: the same rows after different numbers of frames, each number from records of its own."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from benchmark.core.errors import BenchmarkError
from benchmark.report.ledgers import count, over_seeds
from benchmark.report.table import Table, TableColumn, TableRow
from benchmark.results.view import Column, Options, ResultsView, RowId, retrained

ROUNDING = 1.1  # by which budgets of one table differ, as batches of different sizes divide them


def ordered(parts: Sequence[tuple[pd.DataFrame, pd.DataFrame]], options: Options) -> dict[float, ResultsView]:
    """Frames seen -> the results after so many, in rising order. Rows that are not trained have seen none in any of them."""
    if len(parts) < 2:
        raise BenchmarkError("budgets compares records of several budgets: give --records once for each")
    found: dict[float, ResultsView] = {}
    for records, cells in parts:
        frames = ResultsView(records, cells, options)
        cells = frames.cells
        here = (cells.env == frames.env) & (cells.policy == frames.policy) & ~retrained(cells)
        sizes = cells.frames_seen[here & (cells.gradient_steps > 0)]
        if sizes.empty:
            raise BenchmarkError(f"nothing was pretrained for {frames.policy} in {frames.env}: such records have no budget")
        if sizes.max() > ROUNDING * sizes.min():
            raise BenchmarkError(f"rows of one table were pretrained for {count(sizes.min())} to {count(sizes.max())} frames")
        size = float(sizes.median())
        if size in found:
            raise BenchmarkError(f"two of the records were made after {count(size)} frames each: leave one of them out")
        found[size] = frames
    return dict(sorted(found.items()))


def rows_of(by_size: dict[float, ResultsView]) -> list[RowId]:
    """All rows, in the order of the largest budget."""
    *_, largest = by_size.values()
    return list(dict.fromkeys([*largest.keys, *(key for frames in by_size.values() for key in frames.keys)]))


def budgets(parts: Sequence[tuple[pd.DataFrame, pd.DataFrame]], options: Options) -> Table:
    """Linear probe and score of each row over pretraining budgets."""
    by_size = ordered(parts, options)
    *_, largest = by_size.values()
    place = Column(largest.env, largest.policy)
    rows = []
    for key in rows_of(by_size):
        probes = [over_seeds(frames.done(place, key).probe_linear, lambda value: f"{value:.2f}") for frames in by_size.values()]
        scores = [frames.score(place, key) for frames in by_size.values()]
        rows.append(TableRow(str(key), (*probes, *scores), largest.kind(key)))
    columns = [TableColumn(f"probe/{size:.0f}", f"Probe R², {count(size)}") for size in by_size]
    columns += [TableColumn(f"score/{size:.0f}", f"Score, {count(size)}") for size in by_size]
    caption = (
        f"{largest.title(place.env)} after {', '.join(count(size) for size in by_size)} frames of pretraining: held-out linear "
        f"probe of the simulator state (mean over seeds) and score with policy {place.policy}. "
        f"At {count(max(by_size))} frames: {largest.protocol([place])}"
    )
    return Table("budgets", caption, "Method", tuple(columns), tuple(rows))
