"""The tables of the paper as they were printed, digit for digit."""

from __future__ import annotations

from benchmark.core.errors import UnknownName
from benchmark.report.table import DASH, Table, TableCell, TableColumn, TableRow
from benchmark.results import published


def published_table(name: str) -> Table:
    """Published numbers only; they have no intervals."""
    if name not in published.TABLES:
        raise UnknownName("published table", name, published.TABLES)
    number = published.TABLES[name]
    frame = published.load(number)
    real = number in (2, 3)
    down, across = ("column", "method") if real else ("method", "column")
    columns = list(dict.fromkeys(frame[across]))
    rows = []
    for label, group in frame.groupby(down, sort=False):
        texts = dict(zip(group[across], group.value, strict=True))
        values = {c: None if real else published.number(texts[c]) for c in columns}
        rows.append(TableRow(str(label), tuple(TableCell(texts[c] or DASH, values[c]) for c in columns)))
    ranges = dict(zip(frame.column, frame.range, strict=True))
    by_rule = {rule: ", ".join(dict.fromkeys(group.column)) for rule, group in frame.groupby("selection_rule", sort=False)}
    rules = "; ".join(f"{where}: {rule}" if len(by_rule) > 1 else str(rule) for rule, where in by_rule.items())
    return Table(
        name=f"published-{name}",
        caption=f"{frame.citation.iloc[0]}. Published numbers, without intervals. Selection of the score: {rules}.",
        stub="Task" if real else "Method",
        columns=tuple(TableColumn(c, c if real else f"{c} {_range(ranges[c])}".strip()) for c in columns),
        rows=tuple(rows),
    )


def _range(text: str) -> str:
    """`/4` for a score from 0 to 4; `%` for a percentage of the full method."""
    return "%" if text == "percent of full" else f"/{text.split('-')[1]}"
