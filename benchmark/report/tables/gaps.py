"""Our scores, highest first, the paper's beside them, and for each difference its reason.

A row of this table is not a claim about a method: `main --source both` says for each cell which settings are not the paper's;
here stands what of them weighs most, how much was trained on what.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.core.progress import count
from benchmark.report import captions
from benchmark.report.cells import score_cell
from benchmark.report.inputs import TableInputs
from benchmark.report.table import DASH, Table, TableCell, TableColumn, TableRow
from benchmark.report.tables._settings import settings
from benchmark.results import published
from benchmark.results.options import Column, RowId
from benchmark.results.published import TABLES, PaperColumn, paper_column
from benchmark.results.statistics import Interval
from benchmark.results.versus_paper import Differences, agreement, differences
from benchmark.results.view import ResultsView

NOT_IN_PAPER = "not in the paper"
INSIDE = "none to explain: the paper's number lies inside our interval"
COLUMNS = (
    TableColumn("setting", "Setting", "left"),
    TableColumn("ours", "Ours"),
    TableColumn("paper", "Paper"),
    TableColumn("gap", "Ours minus paper"),
    TableColumn("reason", "Reason for the gap", "left"),
)
CAPTION = (
    "Ours: mean and 95 % interval. Paper: DynaMo, Table 1, its last or its best test evaluation of one training seed, printed "
    "without an error; it pretrains a ResNet-18 of 11.2M parameters (MAE: a ViT) on frames of 224 pixels for 40 epochs and "
    "more. Reasons name what weighs most; `table main --source both` lists every setting that is not the paper's. Sorted by "
    "score within each setting."
)


def table(inputs: TableInputs) -> Table:
    """Of any number of results, none of which hold the same environment and policy."""
    shown = _shown(settings(inputs.views))
    several = any(view.several_seeds for view in shown.values())
    rows = [row for column, view in shown.items() for row in _rows(view, column, several)]
    samples = [captions.sample(view, column.env) for column, view in shown.items()]
    presets = sorted({preset for view in inputs.views for preset in view.cells.preset})
    return Table("gaps", " ".join([CAPTION, *samples, f"Preset: {', '.join(presets)}."]), "Method", COLUMNS, tuple(rows))


def _shown(measured: dict[Column, ResultsView]) -> dict[Column, ResultsView]:
    """One column of each environment: that of the paper's policy, or the first."""
    policy = published.fixed(TABLES["main"], "policy")
    of_env: dict[str, Column] = {}
    for column in measured:
        if column.env not in of_env or column.policy == policy:
            of_env[column.env] = column
    return {column: measured[column] for column in of_env.values()}


def _rows(view: ResultsView, column: Column, several: bool) -> Sequence[TableRow]:
    scored = [(row, interval) for row in view.rows if (interval := view.interval(column, row)) is not None]
    scored.sort(key=lambda each: -each[1].estimate)
    paper, title = paper_column(TABLES["main"], column), captions.setting(view, column)
    return [
        TableRow(
            str(row),
            (TableCell(title), score_cell(view, column, row, several=several), *_beside(view, paper, row, interval)),
            view.kind(row),
        )
        for row, interval in scored
    ]


def _beside(view: ResultsView, paper: PaperColumn, row: RowId, interval: Interval) -> Sequence[TableCell]:
    entry = paper.entry(paper.row_label(row))
    if entry is None or entry.value is None:
        return [TableCell(DASH), TableCell(DASH), TableCell(NOT_IN_PAPER)]
    gap = interval.estimate - entry.value
    why = differences(view, paper, row, entry)
    inside = agreement(interval, entry) == "agrees" and not (why and why.policy)  # another policy's number says nothing of ours
    reason = INSIDE if inside else _reason(view, paper.column, row, why) if why else captions.error_unknown(entry)
    return [TableCell(entry.text, entry.value), TableCell(f"{gap:+.2f}", gap), TableCell(reason)]


def _reason(view: ResultsView, column: Column, row: RowId, why: Differences) -> str:
    """Demonstrations and policy where they are other ones, then the budget of the encoder."""
    cells = view.done(column, row)
    frames, parameters = float(cells.frames_seen.mean()), float(cells.encoder_params.mean())
    reasons = []
    if why.demonstrations:
        reasons.append(f"{', '.join(why.demonstrations[0])} demonstrations, not {why.demonstrations[1]}")
    if why.policy:
        reasons.append("{} instead of {}".format(*why.policy))
    if frames:
        reasons.append(f"{count(frames)} frames of pretraining")
    else:
        reasons.append("nothing is pretrained in either" if row in view.untrained else "weights that others have published")
    reasons.append(f"{count(parameters)} parameters")
    return f"budget of {', '.join(dict.fromkeys(cells.preset))}: {', '.join(reasons)}"
