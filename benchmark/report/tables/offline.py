"""How far predicted actions are from recorded ones on held-out episodes, per data set: what can be said without a robot."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.core.errors import BenchmarkError
from benchmark.report import captions
from benchmark.report.cells import interval_cell, no_score
from benchmark.report.inputs import TableInputs
from benchmark.report.table import DASH, Table, TableCell, TableColumn, TableRow
from benchmark.results import offline
from benchmark.results.options import Column, RowId
from benchmark.results.view import ResultsView

MEAN_ACTION = "mean action"  # the answer without an image


def table(inputs: TableInputs) -> Table:
    view = inputs.view
    env, names = view.env, offline.data_sets(view, view.env)
    if not names:
        raise BenchmarkError(f"nothing was predicted on held-out episodes of {env}: that is done where nothing can be acted in")
    dims, policies = offline.dimensions(view, env), [column.policy for column in view.columns if column.env == env]
    chosen = [view.options.policy] if view.options.policy else policies
    rows: list[TableRow] = []
    for name in names:
        for policy in chosen:
            column = Column(env, policy)
            for row in view.rows:
                label = f"{name}: {row}{f', {policy}' if len(chosen) > 1 else ''}"
                rows.append(TableRow(label, _cells(view, column, row, name, dims), view.kind(row)))
        rows.append(TableRow(f"{name}: {MEAN_ACTION}", _baseline(view, env, chosen, name, dims)))
    caption = (
        f"Absolute error of predicted actions on held-out episodes of {captions.heading(view, env)}, in standard deviations of "
        f"each data set (all movements, then one by one), in its recorded units, and how often the gripper is right. Nothing "
        f"that is predicted is done, so this is not success. '{MEAN_ACTION}' answers with the mean of the training episodes. "
        f"{captions.protocol(view, [Column(env, policy) for policy in chosen])}"
    )
    columns = (
        TableColumn("error", "error"),
        *(TableColumn(f"error/{dim}", dim) for dim in dims),
        *(TableColumn(f"in_units/{dim}", f"{dim}, units") for dim in dims),
        TableColumn("gripper", "gripper"),
    )
    return Table("offline", caption, "Data set: method", columns, tuple(rows))


def _cells(view: ResultsView, column: Column, row: RowId, name: str, dims: Sequence[str]) -> tuple[TableCell, ...]:
    if offline.interval(view, column, [row], name, "error") is None:
        return (no_score(view, column, row), *[TableCell(DASH)] * (2 * len(dims) + 1))
    metrics = ["error", *(f"error/{dim}" for dim in dims), *(f"in_units/{dim}" for dim in dims), "gripper"]
    return tuple(_cell(view, column, [row], name, metric) for metric in metrics)


def _baseline(view: ResultsView, env: str, policies: Sequence[str], name: str, dims: Sequence[str]) -> tuple[TableCell, ...]:
    """Of whichever cell was evaluated: it is the same for all."""
    column = next((c for c in (Column(env, p) for p in policies) if any(view.groups(c, row) for row in view.rows)), None)
    if column is None:
        return (TableCell(DASH),) * (2 * len(dims) + 2)
    metrics = ["mean_action", *(f"mean_action/{dim}" for dim in dims)]
    errors = [_cell(view, column, view.rows, name, metric) for metric in metrics]
    return (*errors, *[TableCell(DASH)] * len(dims), _cell(view, column, view.rows, name, "mean_action_gripper"))


def _cell(view: ResultsView, column: Column, rows: Sequence[RowId], name: str, metric: str) -> TableCell:
    """With its interval where there is room: single dimensions have theirs in files."""
    found = offline.interval(view, column, rows, name, metric)
    if found is None:
        return TableCell(DASH)
    alone = found.covers == "one episode"
    if "/" not in metric:
        note = ("one held-out episode: no interval",)
        return TableCell(f"{found.estimate:.2f}", found.estimate, notes=note) if alone else interval_cell(found)
    if alone:
        return TableCell(f"{found.estimate:.3g}", found.estimate)
    return TableCell(f"{found.estimate:.3g}", found.estimate, found.low, found.high)
