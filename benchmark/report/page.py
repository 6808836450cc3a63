"""One HTML file that holds a whole report: scores with intervals, figures, videos, and where each number comes from.

It asks nothing of a network: style, script, figures and videos are inside, and its content security policy forbids the rest.
The same results give the same bytes.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from html import escape
from string import Template

import pandas as pd

from benchmark.core.errors import BenchmarkError
from benchmark.core.progress import count, duration
from benchmark.report import captions
from benchmark.report import page_parts as parts
from benchmark.report.gallery import Drawing, apart, gallery, slug
from benchmark.report.inputs import TableInputs
from benchmark.report.render import KINDS
from benchmark.report.reproduce import command
from benchmark.report.table import DASH, Table, TableCell
from benchmark.report.tables import build
from benchmark.report.videos import Video
from benchmark.results.offline import data_sets
from benchmark.results.options import Column, RowId
from benchmark.results.view import ResultsView
from benchmark.storage.artifacts import KINDS as STAGES

TITLE = "Which visual encoder is best for robot control, and by how much?"
FACTS: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("frames_seen", "Frames seen", count),
    ("probe_linear", "Linear probe R²", lambda v: f"{v:.2f}"),
    ("effective_rank", "Effective rank", lambda v: f"{v:.1f}"),
    ("wall_seconds", "Wall time per seed", duration),
)
HEADINGS = (
    ("method", "Method", "text"),
    ("env", "Environment", "text"),
    ("policy", "Policy", "text"),
    ("score", "Score", "number"),
    ("seeds", "Seeds", "number"),
    ("episodes", "Episodes", "number"),
    *((key, heading, "number") for key, heading, _ in FACTS),
)


def page(view: ResultsView, videos: Sequence[Video] = (), drawn: tuple[list[Drawing], list[str]] | None = None) -> str:
    """The report. `drawn` are figures that exist already."""
    drawings, undrawn = drawn or gallery(view)
    content = _Content(view)
    style, script = parts.asset("page.css"), parts.asset("page.js")
    tables, absent = content.tables()
    return Template(parts.asset("page.html")).substitute(
        title=escape(TITLE),
        style=style,
        style_hash=parts.source_hash(style),
        script=script,
        script_hash=parts.source_hash(script),
        summary=escape(content.summary),
        envs=parts.select_options((env, view.env_title(env)) for env in view.envs),
        policies=parts.select_options((policy, policy) for policy in view.policies),
        most_seeds=max(1, content.most_seeds),
        headings="".join(parts.column_heading(*heading) for heading in HEADINGS),
        rows="\n".join(content.rows()),
        total=len(content.keys),
        protocols="".join(content.protocols()),
        figures="\n".join(map(parts.figure, drawings)) or "<p>Nothing to draw yet.</p>",
        undrawn=parts.left_out("Not drawn", undrawn),
        videos=parts.video_gallery(videos),
        tables="\n".join(tables) or "<p>None yet.</p>",
        absent=parts.left_out("Not shown", absent),
        provenance=parts.provenance_list(view.results.provenance),
    )


class _Content:
    """The parts of the page that need the numbers."""

    def __init__(self, view: ResultsView):
        self.view = view
        self.provenance = view.results.provenance
        self.stages = {
            (c["env"], c["method"], c["variant"], c["policy"], c["seed"]): c["stages"] for c in self.provenance["cells"]
        }

    def _table(self, name: str, env: str | None = None, policy: str | None = None) -> Table:
        return build(name, TableInputs(replace(self.view.options, env=env, policy=policy), [self.view]))

    @cached_property
    def keys(self) -> list[tuple[Column, RowId]]:
        """One per row of the table."""
        return [(c, row) for c in self.view.columns for row in self.view.rows if not self.view.cell_rows(c, row).empty]

    @cached_property
    def most_seeds(self) -> int:
        return max((len(self.view.groups(*one)) for one in self.keys), default=0)

    @property
    def summary(self) -> str:
        view, presets = self.view, ", ".join(dict.fromkeys(map(str, self.view.cells.preset)))
        counts = [(len(view.rows), "row"), (len(view.envs), "environment"), (len(view.policies), "policy")]
        words = [f"{number} {noun if number == 1 else noun.replace('policy', 'policie') + 's'}" for number, noun in counts]
        return f"{', '.join(words)}, {len(view.records)} evaluation episodes, preset {presets}."

    def rows(self) -> Iterable[str]:
        """The same cells as in the table `main`, a line per method, environment and policy."""
        tables = {policy: self._table("main", policy=policy) for policy in self.view.policies}
        cells = {column: tables[column.policy].column("/".join(column)) for column in self.view.columns}
        return (self._row(column, row, cells[column][str(row)]) for column, row in self.keys)

    def _row(self, column: Column, row: RowId, score: TableCell) -> str:
        groups, kind = self.view.groups(column, row), self.view.kind(row)
        tag = f' <span class="tag">{escape(KINDS[kind])}</span>' if KINDS[kind] else ""
        sizes = (len(groups), sum(map(len, groups)))
        cells = [
            parts.table_cell("Environment", column.env, escape(self.view.env_title(column.env))),
            parts.table_cell("Policy", column.policy, escape(column.policy)),
            self._score(column, row, score),
            *(
                parts.table_cell(label, n or None, str(n or DASH))
                for label, n in zip(("Seeds", "Episodes"), sizes, strict=True)
            ),
            *self._facts(column, row),
        ]
        notes = "".join(f"<li>{escape(note)}</li>" for note in score.notes)
        label = f"{row}, {column.env}, {column.policy}"
        return (
            f'<tbody role="rowgroup" class="result {kind}" data-method="{escape(str(row))}" data-env="{escape(column.env)}" '
            f'data-policy="{escape(column.policy)}" data-seeds="{len(groups)}">'
            f'<tr role="row"><th role="rowheader" scope="row" data-sort="{escape(str(row))}">{escape(str(row))}{tag}</th>'
            f'{"".join(cells)}</tr><tr role="row" class="more"><td role="cell" colspan="{len(HEADINGS)}">'
            f"{f'<ul>{notes}</ul>' if notes else ''}"
            f'<details><summary>Where this comes from<span class="unseen">: {escape(label)}</span></summary>'
            f"{self._origin(column, row)}</details></td></tr></tbody>"
        )

    def _score(self, column: Column, row: RowId, score: TableCell) -> str:
        """The text, and its interval as a bar over the range of the metric."""
        if score.value is None or score.low is None or score.high is None:
            return parts.table_cell("Score", None, escape(score.text), "score")
        low, high = self.view.bounds(column.env)
        start, middle, end = (100 * (value - low) / (high - low) for value in (score.low, score.value, score.high))
        bar = (
            f'<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" focusable="false">'
            f'<rect class="range" x="0" y="3.5" width="100" height="1"/>'
            f'<rect class="span" x="{start:.2f}" y="2" width="{max(end - start, 0.5):.2f}" height="4"/>'
            f'<rect class="point" x="{middle - 0.75:.2f}" y="0" width="1.5" height="8"/></svg>'
        )
        text = f"<strong>{escape(score.text)}</strong>" if score.strong else escape(score.text)
        return parts.table_cell("Score", middle, f'<span>{text} <span class="unit">/{high:g}</span></span>{bar}', "score")

    def _facts(self, column: Column, row: RowId) -> Iterable[str]:
        done = self.view.done(column, row)
        for name, heading, text in FACTS:
            value = done[name].mean()
            yield parts.table_cell(
                heading, None if pd.isna(value) else float(value), DASH if pd.isna(value) else escape(text(value))
            )

    def _origin(self, column: Column, row: RowId) -> str:
        """Seeds with their stages, and what to type to have the number again."""
        lines = []
        for cell in self.view.cell_rows(column, row).itertuples():
            stages = self.stages.get((column.env, row.method, row.variant, column.policy, cell.seed), {})
            scores = self.view.episodes(column, row)
            scores = scores[scores.seed == cell.seed].score
            mean = f"{scores.mean():.2f} over {len(scores)} episodes" if len(scores) else str(cell.status)
            known = self.provenance["stages"]
            links = [parts.stage_link(kind, stages[kind], known) for kind in STAGES if kind in stages]
            told = ", ".join(links) or ("no stages were exported with these records" if len(scores) else "no stages yet")
            lines.append(f"<li>Seed {cell.seed}: {mean}. Stages: {told}.</li>")
        request = self.provenance["request"]
        typed = [*self._checkout(column, row), *([command(request, column, row)] if request else [])]
        return f"<ul>{''.join(lines)}</ul><p>To make it again:</p><pre><code>{escape(chr(10).join(typed))}</code></pre>"

    def _checkout(self, column: Column, row: RowId) -> list[str]:
        """The commits that the row was made with; those of all records where stages do not tell."""
        known, machines = self.provenance["stages"], self.provenance["provenance"]
        keys = [
            stage
            for (env, method, variant, policy, _), stages in self.stages.items()
            if (env, policy, method, variant) == (*column, *row)
            for stage in stages.values()
        ]
        used = {known[stage]["provenance"] for stage in keys if stage in known} or range(len(machines))
        commits = [machines[index]["git"] for index in sorted(used) if machines[index]["git"]]
        lines = [
            shlex.join(["git", "checkout", git["commit"]]) + "  # and changes that were not committed" * git["dirty"]
            for git in commits
        ]
        return list(dict.fromkeys(lines))

    def protocols(self) -> Iterable[str]:
        for column in self.view.columns:
            text = f"{column.policy}: {captions.protocol(self.view, [column])}"
            yield f'<li data-env="{escape(column.env)}" data-policy="{escape(column.policy)}">{escape(text)}</li>'

    def tables(self) -> tuple[list[str], list[str]]:
        """The other tables, and why some are not there."""
        titles = {"tasks": "Single tasks", "compare": f"Compared with {self.view.floor}", "cost": "Cost and features"}
        made, absent = [], []
        for column in self.view.columns:
            where = f"{self.view.env_title(column.env)}, {column.policy}"
            predicted = {"offline": "Errors on held-out episodes"} if data_sets(self.view, column.env) else {}
            for name, title in (titles | predicted).items():
                try:
                    table = self._table(name, *column)
                except BenchmarkError as error:
                    absent.append(f"{title}, {where}: {error}")
                else:
                    made.append((table, column, f"{title}: {where}"))
        anchors = apart([slug(table.name, *column) for table, column, _ in made])
        folded = [
            parts.folded_table(replace(table, name=anchor), column, title)
            for (table, column, title), anchor in zip(made, anchors, strict=True)
        ]
        return folded, absent
