"""One HTML file that holds a whole report: scores with intervals, figures, videos, and where each number comes from.

It asks nothing of a network: style, script, figures and videos are inside, and its content security policy forbids the rest.
The same results give the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

import numpy as np
import pandas as pd

from benchmark.core.errors import BenchmarkError
from benchmark.core.progress import duration, size
from benchmark.report.figures import encoded
from benchmark.report.gallery import Drawing, gallery, slug
from benchmark.report.ledgers import count
from benchmark.report.render import KINDS, to_html
from benchmark.report.reproduce import command
from benchmark.report.table import DASH, Table, TableCell
from benchmark.report.tables import build
from benchmark.report.videos import Video
from benchmark.results.bundle import Results
from benchmark.results.view import FLOOR, Column, Options, ResultsView, RowId
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
BROAD = 6.5  # inches from which a figure fills a line of the page
BESIDE = {"tasks": "Single tasks", "compare": f"Compared with {FLOOR}", "budget": "Cost and features"}


def page(results: Results, videos: Sequence[Video] = (), drawn: tuple[list[Drawing], list[str]] | None = None) -> str:
    """The report. `drawn` are figures that exist already."""
    drawings, undrawn = drawn or gallery(results)
    content = _Content(results)
    style, script = _asset("page.css"), _asset("page.js")
    beside, absent = content.beside()
    return Template(_asset("page.html")).substitute(
        title=escape(TITLE),
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
        summary=escape(content.summary),
        envs=_choices((env, content.frames.env_name(env)) for env in content.frames.envs),
        policies=_choices((policy, policy) for policy in content.frames.policies),
        most_seeds=max(1, content.most_seeds),
        headings="".join(_heading(*heading) for heading in HEADINGS),
        rows="\n".join(content.rows()),
        total=len(content.keys),
        protocols="".join(content.protocols()),
        figures="\n".join(map(_figure, drawings)) or "<p>Nothing to draw yet.</p>",
        undrawn=_left_out("Not drawn", undrawn),
        videos=_films(videos),
        tables="\n".join(beside) or "<p>None yet.</p>",
        absent=_left_out("Not shown", absent),
        provenance=_provenance(results.provenance),
    )


class _Content:
    """The parts of the page that need the numbers."""

    def __init__(self, results: Results):
        self.results = results
        self.frames = ResultsView(results.records, results.cells, Options())
        self.stages = {
            (c["env"], c["method"], c["variant"], c["policy"], c["seed"]): c["stages"] for c in results.provenance["cells"]
        }

    @cached_property
    def keys(self) -> list[tuple[Column, RowId]]:
        """One per row of the table."""
        return [(p, key) for p in self.frames.places for key in self.frames.keys if not self.frames.cell_rows(p, key).empty]

    @cached_property
    def most_seeds(self) -> int:
        return max((len(self.frames.groups(*one)) for one in self.keys), default=0)

    @property
    def summary(self) -> str:
        frames, presets = self.frames, ", ".join(dict.fromkeys(map(str, self.frames.cells.preset)))
        counts = [(len(frames.keys), "row"), (len(frames.envs), "environment"), (len(frames.policies), "policy")]
        words = [f"{number} {noun if number == 1 else noun.replace('policy', 'policie') + 's'}" for number, noun in counts]
        return f"{', '.join(words)}, {len(frames.records)} evaluation episodes, preset {presets}."

    def rows(self) -> Iterable[str]:
        """The same cells as in the table `main`, a line per method, environment and policy."""
        tables = {p: build("main", self.results.records, self.results.cells, policy=p) for p in self.frames.policies}
        columns = {place: tables[place.policy].column(f"{place.env}/{place.policy}") for place in self.frames.places}
        return (self._row(place, key, columns[place][str(key)]) for place, key in self.keys)

    def _row(self, place: Column, key: RowId, score: TableCell) -> str:
        groups, kind = self.frames.groups(place, key), self.frames.kind(key)
        tag = f' <span class="tag">{escape(KINDS[kind])}</span>' if KINDS[kind] else ""
        sizes = (len(groups), sum(map(len, groups)))
        cells = [
            _cell("Environment", place.env, escape(self.frames.env_name(place.env))),
            _cell("Policy", place.policy, escape(place.policy)),
            self._score(place, key, score),
            *(_cell(label, n or None, str(n or DASH)) for label, n in zip(("Seeds", "Episodes"), sizes, strict=True)),
            *self._facts(place, key),
        ]
        notes = "".join(f"<li>{escape(note)}</li>" for note in score.notes)
        label = f"{key}, {place.env}, {place.policy}"
        return (
            f'<tbody role="rowgroup" class="result {kind}" data-method="{escape(str(key))}" data-env="{escape(place.env)}" '
            f'data-policy="{escape(place.policy)}" data-seeds="{len(groups)}">'
            f'<tr role="row"><th role="rowheader" scope="row" data-sort="{escape(str(key))}">{escape(str(key))}{tag}</th>'
            f'{"".join(cells)}</tr><tr role="row" class="more"><td role="cell" colspan="{len(HEADINGS)}">'
            f"{f'<ul>{notes}</ul>' if notes else ''}"
            f'<details><summary>Where this comes from<span class="unseen">: {escape(label)}</span></summary>'
            f"{self._origin(place, key)}</details></td></tr></tbody>"
        )

    def _score(self, place: Column, key: RowId, score: TableCell) -> str:
        """The text, and its interval as a bar over the range of the metric."""
        if score.value is None or score.low is None or score.high is None:
            return _cell("Score", None, escape(score.text), "score")
        low, high = self.frames.bounds(place.env)
        start, middle, end = (100 * (value - low) / (high - low) for value in (score.low, score.value, score.high))
        bar = (
            f'<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" focusable="false">'
            f'<rect class="range" x="0" y="3.5" width="100" height="1"/>'
            f'<rect class="span" x="{start:.2f}" y="2" width="{max(end - start, 0.5):.2f}" height="4"/>'
            f'<rect class="point" x="{middle - 0.75:.2f}" y="0" width="1.5" height="8"/></svg>'
        )
        text = f"<strong>{escape(score.text)}</strong>" if score.strong else escape(score.text)
        return _cell("Score", middle, f'<span>{text} <span class="unit">/{high:g}</span></span>{bar}', "score")

    def _facts(self, place: Column, key: RowId) -> Iterable[str]:
        done = self.frames.done(place, key)
        for column, heading, text in FACTS:
            value = done[column].mean()
            yield _cell(heading, None if pd.isna(value) else float(value), DASH if pd.isna(value) else escape(text(value)))

    def _origin(self, place: Column, key: RowId) -> str:
        """Seeds with their stages, and what to type to have the number again."""
        provenance, lines = self.results.provenance, []
        for row in self.frames.cell_rows(place, key).itertuples():
            stages = self.stages.get((place.env, key.method, key.variant, place.policy, row.seed), {})
            scores = self.frames.episodes(place, key)
            scores = scores[scores.seed == row.seed].score
            mean = f"{scores.mean():.2f} over {len(scores)} episodes" if len(scores) else str(row.status)
            links = [_stage_link(kind, stages[kind], provenance["stages"]) for kind in STAGES if kind in stages]
            told = ", ".join(links) or ("no stages were exported with these records" if len(scores) else "no stages yet")
            lines.append(f"<li>Seed {row.seed}: {mean}. Stages: {told}.</li>")
        typed = [*self._checkout(place, key), command(provenance["request"], place, key)]
        return f"<ul>{''.join(lines)}</ul><p>To make it again:</p><pre><code>{escape(chr(10).join(typed))}</code></pre>"

    def _checkout(self, place: Column, key: RowId) -> list[str]:
        """The commits that the row was made with; those of all records where stages do not tell."""
        known, machines = self.results.provenance["stages"], self.results.provenance["provenance"]
        keys = [
            stage
            for (env, method, variant, policy, _), stages in self.stages.items()
            if (env, policy, method, variant) == (*place, *key)
            for stage in stages.values()
        ]
        used = {known[stage]["provenance"] for stage in keys if stage in known} or range(len(machines))
        commits = [machines[index]["git"] for index in sorted(used) if machines[index]["git"]]
        lines = [f"git checkout {git['commit']}" + "  # and changes that were not committed" * git["dirty"] for git in commits]
        return list(dict.fromkeys(lines))

    def protocols(self) -> Iterable[str]:
        for place in self.frames.places:
            text = f"{place.policy}: {self.frames.protocol([place])}"
            yield f'<li data-env="{escape(place.env)}" data-policy="{escape(place.policy)}">{escape(text)}</li>'

    def beside(self) -> tuple[list[str], list[str]]:
        """The other tables, and why some are not there."""
        shown, absent = [], []
        for place in self.frames.places:
            for name, title in BESIDE.items():
                try:
                    table = build(name, self.results.records, self.results.cells, env=place.env, policy=place.policy)
                except BenchmarkError as error:
                    absent.append(f"{title}, {self.frames.env_name(place.env)}, {place.policy}: {error}")
                else:
                    shown.append(_folded(replace(table, name=slug(name, *place)), place, f"{title}: {self._where(place)}"))
        return shown, absent

    def _where(self, place: Column) -> str:
        return f"{self.frames.env_name(place.env)}, {place.policy}"


def _asset(name: str) -> str:
    return (files("benchmark.report") / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _choices(options: Iterable[tuple[str, str]]) -> str:
    return "".join(f'<option value="{escape(value)}">{escape(text)}</option>' for value, text in options)


def _heading(key: str, text: str, kind: str) -> str:
    return (
        f'<th role="columnheader" scope="col" class="{kind}" data-key="{key}" data-kind="{kind}" aria-sort="none">'
        f'<button type="button">{escape(text)}<span class="arrow" aria-hidden="true"></span></button></th>'
    )


def _cell(label: str, value: str | float | None, content: str, classes: str = "") -> str:
    """`value` is what the column is sorted by; rows without one go last."""
    known = value is not None and not (isinstance(value, float) and not np.isfinite(value))
    kind = "text" if isinstance(value, str) else "number"
    return (
        f'<td role="cell" class="{f"{kind} {classes}".strip()}" data-label="{escape(label)}" '
        f'data-sort="{escape(str(value)) if known else ""}"><span class="value">{content}</span></td>'
    )


def _stage_link(kind: str, key: str, known: dict[str, Any]) -> str:
    name = f"{kind} <code>{escape(key[:10])}</code>"
    return f'<a href="#stage-{escape(key)}">{name}</a>' if key in known else name


def _folded(table: Table, place: Column, title: str) -> str:
    return (
        f'<details class="table" data-env="{escape(place.env)}" data-policy="{escape(place.policy)}">'
        f'<summary>{escape(title)}</summary><div class="wide" role="region" tabindex="0" aria-label="{escape(title)}">'
        f"{to_html(table)}</div></details>"
    )


def _figure(drawing: Drawing) -> str:
    source = base64.b64encode(encoded(drawing.figure, "svg")).decode()
    broad = ' class="broad"' if drawing.figure.get_figwidth() > BROAD else ""
    return (
        f'<figure{broad} id="figure-{drawing.name}" data-env="{escape(drawing.env)}" data-policy="{escape(drawing.policy)}">'
        f'<img alt="{escape(drawing.words)}" src="data:image/svg+xml;base64,{source}">'
        f"<figcaption>{escape(drawing.title)}</figcaption></figure>"
    )


def _films(videos: Sequence[Video]) -> str:
    """Those small enough to be inside, and a line for those that are not."""
    inside = [
        f'<figure data-env="{escape(video.env)}" data-policy="{escape(video.policy)}">'
        f'<video controls muted loop playsinline preload="metadata" aria-label="{escape(video.title)}" '
        f'src="data:video/mp4;base64,{base64.b64encode(video.content).decode()}"></video>'
        f"<figcaption>{escape(video.title)}</figcaption></figure>"
        for video in videos
        if video.content
    ]
    left_out = [f"{video.title}: {video.name} has {size(video.size)}" for video in videos if not video.content]
    if not videos:
        return "<p>None. <code>run --videos 2</code> makes them from evaluation episodes; exported records hold no videos.</p>"
    return f'<div class="gallery">{"".join(inside)}</div>{_left_out("Too large to be inside", left_out)}'


def _left_out(title: str, reasons: Sequence[str]) -> str:
    if not reasons:
        return ""
    items = "".join(f"<li>{escape(reason)}</li>" for reason in reasons)
    return f"<details><summary>{escape(title)} ({len(reasons)})</summary><ul>{items}</ul></details>"


def _provenance(provenance: dict[str, Any]) -> str:
    """Every stage's manifest, every machine, and the request."""
    stages = sorted(provenance["stages"].items(), key=lambda item: (STAGES.index(item[1]["kind"]), item[1]["label"], item[0]))
    parts = [
        _folded_json(
            f"stage-{key}", f"{manifest['label']} · {key}", {**manifest, "provenance": f"machine {manifest['provenance']}"}
        )
        for key, manifest in stages
    ]
    parts += [_folded_json(f"machine-{i}", f"machine {i}", machine) for i, machine in enumerate(provenance["provenance"])]
    rest = {name: value for name, value in provenance.items() if name not in ("cells", "stages", "provenance")}
    return "\n".join([*parts, _folded_json("request", "request", rest)])


def _folded_json(anchor: str, title: str, value: Any) -> str:
    text = escape(json.dumps(value, indent=1, sort_keys=True))
    return f'<details id="{escape(anchor)}"><summary>{escape(title)}</summary><pre tabindex="0">{text}</pre></details>'
