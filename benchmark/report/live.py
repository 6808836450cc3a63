"""What a terminal shows of a run that goes on: the table so far, the stages that run, how much is left.

Only drawn here: who watches the run (cli/watch.py) sets the fields of a `Screen`. Their values are replaced and never changed
in place, because another thread draws. The grid is laid out again when it is another one, not at every redraw.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import fill

import rich.box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from benchmark.core.progress import duration
from benchmark.report.captions import heading
from benchmark.report.table import DASH, estimate_cell
from benchmark.results.options import Column, RowId
from benchmark.results.partial import CellScore, Place
from benchmark.results.view import ResultsView

BAR = 10  # characters
STAGES = 3  # shown at once, where a launcher runs more
PENDING = "·"
MEAN, INTERVAL = "0.00", "0.00 [0.00, 0.00]"  # the room of a column, so that it does not grow with the first number
UNLIMITED = 10_000  # columns of a terminal that everything fits into


@dataclass(frozen=True)
class Running:
    """A stage at work. Times are those of `time.monotonic`."""

    label: str
    ends: float  # when it is expected to
    done: float = 0.0
    total: float = 0.0
    note: str = ""


@dataclass(frozen=True)
class Grid:
    """The places of the table. One that is nowhere here is still to be done."""

    scores: Mapping[Place, CellScore] = field(default_factory=dict)  # the latest last
    running: frozenset[Place] = frozenset()
    failed: frozenset[Place] = frozenset()
    absent: frozenset[Place] = frozenset()  # it cannot run here


@dataclass(frozen=True)
class Counts:
    """Cells of this run, and the seconds that stages will take which have not started."""

    cells: int = 0
    done: int = 0
    failed: int = 0
    waiting: float = 0.0


@dataclass
class Screen:
    outline: ResultsView
    grid: Grid = field(default_factory=Grid)
    stages: Sequence[Running] = ()
    counts: Counts = field(default_factory=Counts)
    since: float = field(default_factory=time.monotonic)
    _drawn: tuple[object, list[list[Segment]]] = (None, [])  # what the grid was drawn from, and its lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        status = self._status()
        height = console.height - len(status) - 1  # the cursor stands below
        grid = self.grid
        if self._drawn[0] != (cause := (grid, options.max_width, height)):
            self._drawn = cause, _Layout(self.outline, grid, console, options).lines(height)
        for line in self._drawn[1]:
            yield from line
            yield Segment.line()
        for text in status:
            text.truncate(options.max_width, overflow="ellipsis")
            yield text

    def _status(self) -> list[Text]:
        now = time.monotonic()
        lines = [_stage_line(stage, now) for stage in self.stages[:STAGES]]
        if len(self.stages) > STAGES:
            lines.append(Text(f"and {len(self.stages) - STAGES} more stages", style="dim"))
        left = self.counts.waiting + sum(max(0.0, stage.ends - now) for stage in self.stages)
        left /= max(1, len(self.stages))  # side by side
        parts = [f"about {duration(left)} left", f"{self.counts.done} of {self.counts.cells} cells done"]
        parts += [f"{self.counts.failed} failed"] * bool(self.counts.failed)
        return [*lines, Text(" · ".join([*parts, f"{duration(now - self.since)} so far"]))]


def _stage_line(stage: Running, now: float) -> Text:
    filled = round(BAR * min(1.0, stage.done / stage.total)) if stage.total else 0
    parts = [f"{duration(max(0.0, stage.ends - now))} left"] * bool(stage.done)
    parts += [f"{stage.done:g}/{stage.total:g}"] * bool(stage.total)
    parts += [stage.note] * bool(stage.note)
    rest = "".join(f" · {part}" for part in parts)
    return Text.assemble(("━" * filled, "cyan"), ("━" * (BAR - filled), "dim"), f" {stage.label}", (rest, "dim"))


@dataclass(frozen=True)
class _Layout:
    """Makes the grid fit: intervals go first, then columns on the right; of rows, those with least news."""

    outline: ResultsView
    grid: Grid
    console: Console
    options: ConsoleOptions

    def lines(self, height: int) -> list[list[Segment]]:
        rows = self.outline.rows
        lines = self._of_rows(rows)
        kept = sorted(rows, key=self._interest)
        while len(lines) > height and len(kept) > 1:
            kept = kept[: max(1, len(kept) - (len(lines) - height) - (len(kept) == len(rows)))]
            lines = self._of_rows([row for row in rows if row in kept])
            lines.append(self._remark(f"and {len(rows) - len(kept)} more rows"))
        return lines

    def _of_rows(self, rows: Sequence[RowId]) -> list[list[Segment]]:
        columns, unlimited = self.outline.columns, self.options.update(width=UNLIMITED)
        table = self._table(rows, columns, intervals=True)
        shown = len(columns)
        while self.console.measure(table, options=unlimited).maximum > self.options.max_width and shown:
            table = self._table(rows, columns[:shown], intervals=False)
            shown -= 1
        lines = self.console.render_lines(table, self.options, pad=False)
        if hidden := len(columns) - (len(table.columns) - 1):
            lines.append(self._remark(f"and {hidden} more columns"))
        return lines

    def _table(self, rows: Sequence[RowId], columns: Sequence[Column], *, intervals: bool) -> Table:
        table = Table(box=rich.box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        view = self.outline
        one_env, one_policy = len(view.envs) == 1, len(view.policies) == 1
        table.add_column(Text(heading(view, view.env) if one_env and not one_policy else "Method"), no_wrap=True)
        for column in columns:
            parts = [heading(view, column.env)] * (one_policy or not one_env) + [view.policy_title(column.policy)] * (
                not one_policy
            )
            title = ", ".join(parts)
            least = max(map(cell_len, [INTERVAL if intervals else MEAN, *title.split()]))
            table.add_column(Text(fill(title, least)), justify="right", no_wrap=True, min_width=least)
        for row in rows:
            style = "" if view.kind(row) == "row" else "italic"
            table.add_row(
                Text(str(row), style=style), *(self._text(Place(column, row), intervals=intervals) for column in columns)
            )
        return table

    def _text(self, place: Place, *, intervals: bool) -> Text:
        grid, running = self.grid, place in self.grid.running
        if score := grid.scores.get(place):
            mean, low, high = score.interval.estimate, score.interval.low, score.interval.high
            planned = len(self.outline.cell_rows(place.column, place.row))
            seeds = f" {score.seeds}/{planned}" if score.seeds < planned else ""
            return Text(
                (estimate_cell(mean, low, high).text if intervals else f"{mean:.2f}") + seeds, "cyan" if running else ""
            )
        if running:
            return Text("running" if intervals else "…", "cyan")
        if place in grid.failed:
            return Text("failed", "red")
        return Text(DASH if place in grid.absent else PENDING, "dim")

    def _interest(self, row: RowId) -> tuple[bool, bool, int]:
        news = {place.row: number for number, place in enumerate(self.grid.scores)}
        running = any(place.row == row for place in self.grid.running)
        return (not running, self.outline.kind(row) == "row", -news.get(row, -1))

    def _remark(self, text: str) -> list[Segment]:
        return [Segment(text[: self.options.max_width], self.console.get_style("dim"))]
