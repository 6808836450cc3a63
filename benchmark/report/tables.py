"""The tables of scores: methods against environments or policies, fine-tuning, ablations. (records, cells, options) -> Table.

Each shows ours, the published numbers, or both with a status. A status compares only what is comparable: the same policy,
demonstrations and budget as in the paper; otherwise it says what differs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from benchmark.core.errors import UnknownName
from benchmark.core.progress import duration
from benchmark.report import ledgers
from benchmark.report.ledgers import count
from benchmark.report.table import DASH, Table, TableCell, TableColumn, TableRow, estimate_cell
from benchmark.results import published, statistics
from benchmark.results.published import ABLATIONS, ACTIONS, ENVS, FINETUNE, METHOD, POLICIES, published_table
from benchmark.results.statistics import Interval
from benchmark.results.versus_paper import PaperColumn, only_published, ordering, published_label, versus_paper
from benchmark.results.view import STATISTICS, Column, Options, ResultsView, RowId

__all__ = ["TABLES", "build", "published_table"]


def build(name: str, records: pd.DataFrame, cells: pd.DataFrame, **choices: object) -> Table:
    """A table by name; `choices` are fields of Options."""
    if name not in TABLES:
        raise UnknownName("table", name, TABLES)
    return TABLES[name](records, cells, Options(**choices))  # type: ignore[arg-type]


# ---------------------------------------------------------------------------------------------------------------- grids


def main(records: pd.DataFrame, cells: pd.DataFrame, options: Options) -> Table:
    """Methods x environments under one policy (the paper's Table 1), with what each row cost."""
    if options.source == "published":
        return published_table("main")
    frames = ResultsView(records, cells, options)
    slots = [PaperColumn(Column(env, frames.policy), frames.title(env), 1, ENVS.get(env, env)) for env in frames.envs]
    costs = (TableColumn("frames_seen", "Frames seen"), TableColumn("wall_seconds", "Wall time per seed"))
    return _grid(frames, "main", f"Policy {frames.policy}.", frames.keys, slots, costs)


def policies(records: pd.DataFrame, cells: pd.DataFrame, options: Options) -> Table:
    """Methods x policies in one environment (the paper's Table 4, on Push-T)."""
    if options.source == "published":
        return published_table("policies")
    frames = ResultsView(records, cells, options)
    env = frames.env
    number = 4 if env == "pusht" else 0
    slots = [PaperColumn(Column(env, p), POLICIES.get(p, p), number, POLICIES.get(p, p)) for p in frames.policies]
    return _grid(frames, "policies", f"Policies in {frames.title(env)}.", frames.keys, slots)


def finetune(records: pd.DataFrame, cells: pd.DataFrame, options: Options) -> Table:
    """From scratch against from published weights (the paper's Table 5)."""
    if options.source == "published":
        return published_table("finetune")
    frames = ResultsView(records, cells, options)
    slots = [PaperColumn(Column(env, frames.policy), frames.title(env), 5, ENVS.get(env, env)) for env in frames.envs]
    method = options.method
    keys = [RowId(method if name == METHOD else name, variant) for name, variant in FINETUNE]
    return _grid(frames, "finetune", f"Fine-tuning with {method}, policy {frames.policy}.", keys, slots)


def _grid(
    frames: ResultsView,
    name: str,
    lead: str,
    keys: Sequence[RowId],
    slots: Sequence[PaperColumn],
    costs: Sequence[TableColumn] = (),
) -> Table:
    """One row per key, one column of scores per slot; beside the published numbers if asked."""
    both = frames.options.source == "both"
    best = {slot.place: _undistinguished(frames, slot.place, keys) for slot in slots}
    rows = []
    for key in keys:
        cells: list[TableCell] = []
        for slot in slots:
            interval = _interval(frames, slot.place, key)
            cells.append(frames.score(slot.place, key, interval, strong=key in best[slot.place]))
            if both:
                cells += versus_paper(frames, slot, published_label(slot.number, key), interval)
        rows.append(
            TableRow(str(key), (*cells, *(_cost(frames, slots, key, column.key) for column in costs)), frames.kind(key))
        )
    if both:
        rows += only_published(slots, keys, len(costs))
    columns = [column for slot in slots for column in _columns(slot, both)]
    agreements = [text for slot in slots if (text := frames.agreement(slot.place))]
    remarks = [*([ordering(frames, slot, keys) for slot in slots] if both else []), *agreements, *_strong_remark(best)]
    return Table(
        name, f"{lead} {frames.protocol([s.place for s in slots])}", "Method", (*columns, *costs), tuple(rows), tuple(remarks)
    )


def _columns(slot: PaperColumn, both: bool, unit: str = "") -> list[TableColumn]:
    key = f"{slot.place.env}/{slot.place.policy}{unit}"
    beside = [TableColumn(f"{key}/published", "published"), TableColumn(f"{key}/status", "status", "left")]
    return [TableColumn(key, slot.heading), *(beside if both else [])]


def _interval(frames: ResultsView, place: Column, key: RowId) -> Interval | None:
    return frames.interval(place, key) if frames.groups(place, key) else None


def _cost(frames: ResultsView, slots: Sequence[PaperColumn], key: RowId, column: str) -> TableCell:
    """Frames seen (their range over columns), or the wall time of one seed over all columns."""
    values = [frames.done(slot.place, key)[column].mean() for slot in slots]
    known = [float(value) for value in values if pd.notna(value)]
    if not known:
        return TableCell(DASH)
    if column == "wall_seconds":
        return TableCell(duration(sum(known)), sum(known))
    return TableCell(" to ".join(dict.fromkeys([count(min(known)), count(max(known))])), max(known), min(known), max(known))


def _undistinguished(frames: ResultsView, place: Column, keys: Sequence[RowId]) -> set[RowId]:
    """The unprivileged row with the highest score, and those that a paired comparison does not tell from it."""
    rows = [key for key in keys if frames.kind(key) != "ceiling" and frames.groups(place, key)]
    if len(rows) < 2:
        return set()
    statistic = STATISTICS[frames.options.statistic]
    top = max(rows, key=lambda key: float(statistic(np.concatenate(frames.groups(place, key)))))
    gaps = {key: frames.compare(place, top, key) for key in rows if key != top}
    return {top, *(key for key, gap in gaps.items() if gap is not None and gap.difference.low <= 0)}


def _strong_remark(best: dict[Column, set[RowId]]) -> list[str]:
    if not any(best.values()):
        return []
    return ["Bold or *: the highest score and what a paired comparison on common episodes does not tell from it."]


# ------------------------------------------------------------------------------------------------------------ ablations


def ablations(records: pd.DataFrame, cells: pd.DataFrame, options: Options) -> Table:
    """What a method loses without its parts, in percent of the full method and absolute (the paper's Table 6)."""
    return _relative(records, cells, options, "ablations", ABLATIONS, without=(*ACTIONS, *(v for _, v in FINETUNE)))


def actions(records: pd.DataFrame, cells: pd.DataFrame, options: Options) -> Table:
    """What ground-truth actions add (the paper's Table 7)."""
    return _relative(records, cells, options, "actions", ACTIONS, only=tuple(ACTIONS))


def _relative(
    records: pd.DataFrame,
    cells: pd.DataFrame,
    options: Options,
    name: str,
    labels: dict[str, str],
    *,
    only: tuple[str, ...] = (),
    without: tuple[str, ...] = (),
) -> Table:
    if options.source == "published":
        return published_table(name)
    frames, both = ResultsView(records, cells, options), options.source == "both"
    full = RowId(options.method)
    keys = [key for key in frames.keys if key.method == options.method and key.variant]
    keys = [key for key in keys if (key.variant in only or not only) and key.variant not in without]
    number = published.TABLES[name]
    slots = [PaperColumn(Column(env, frames.policy), frames.title(env), number, ENVS.get(env, env)) for env in frames.envs]
    rows = []
    for key in [full, *keys]:
        line: list[TableCell] = []
        for slot in slots:
            quotient = None if key == full else _quotient(frames, slot.place, key, full)
            percent = TableCell("100", 100.0) if key == full else TableCell(DASH)
            if quotient is not None:
                percent = estimate_cell(*(100 * end for end in (quotient.estimate, quotient.low, quotient.high)), digits=0)
            line.append(percent)
            if both:
                line += versus_paper(frames, slot, labels.get(key.variant, str(key)), quotient, scale=100)
            line.append(frames.score(slot.place, key))
        rows.append(TableRow(f"{full} (full)" if key == full else key.variant, tuple(line)))
    columns = []
    for slot in slots:
        percent_slot = PaperColumn(slot.place, f"{slot.heading.partition(' /')[0]} %", slot.number, slot.column)
        columns += [*_columns(percent_slot, both, "/percent"), *_columns(slot, False)]
    lead = f"{name.capitalize()} of {full}, percent of the full method (the intervals carry the error of both) and absolute."
    caption = f"{lead} Policy {frames.policy}. {frames.protocol([slot.place for slot in slots])}"
    return Table(name, caption, "Variant", tuple(columns), tuple(rows))


def _quotient(frames: ResultsView, place: Column, part: RowId, whole: RowId) -> Interval | None:
    a, b = frames.paired(place, part, whole)
    if not a:
        return None
    bounds, options = frames.bounds(place.env), frames.options
    found = statistics.ratio(a, b, frames.rng("ratio", *place, *part), bounds=bounds, level=options.level, draws=options.draws)
    return found if np.isfinite(found.estimate) else None


TABLES: dict[str, Callable[[pd.DataFrame, pd.DataFrame, Options], Table]] = {
    "main": main,
    "policies": policies,
    "finetune": finetune,
    "ablations": ablations,
    "actions": actions,
    **ledgers.TABLES,
}
