"""The parts of the report page as HTML. Every text that comes from outside is escaped here."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from typing import Any

import numpy as np

from benchmark.core.progress import size
from benchmark.report.drawing import encoded
from benchmark.report.gallery import Drawing
from benchmark.report.render import to_html
from benchmark.report.table import Table
from benchmark.report.videos import Video
from benchmark.results.options import Column
from benchmark.storage.artifacts import KINDS as STAGES

BROAD = 6.5  # inches from which a figure fills a line of the page


def asset(name: str) -> str:
    return (files("benchmark.report") / name).read_text(encoding="utf-8")


def source_hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def select_options(options: Iterable[tuple[str, str]]) -> str:
    return "".join(f'<option value="{escape(value)}">{escape(text)}</option>' for value, text in options)


def column_heading(key: str, text: str, kind: str) -> str:
    return (
        f'<th role="columnheader" scope="col" class="{kind}" data-key="{key}" data-kind="{kind}" aria-sort="none">'
        f'<button type="button">{escape(text)}<span class="arrow" aria-hidden="true"></span></button></th>'
    )


def table_cell(label: str, value: str | float | None, content: str, classes: str = "") -> str:
    """`value` is what the column is sorted by; rows without one go last."""
    known = value is not None and not (isinstance(value, float) and not np.isfinite(value))
    kind = "text" if isinstance(value, str) else "number"
    return (
        f'<td role="cell" class="{f"{kind} {classes}".strip()}" data-label="{escape(label)}" '
        f'data-sort="{escape(str(value)) if known else ""}"><span class="value">{content}</span></td>'
    )


def stage_link(kind: str, key: str, known: dict[str, Any]) -> str:
    name = f"{kind} <code>{escape(key[:10])}</code>"
    return f'<a href="#stage-{escape(key)}">{name}</a>' if key in known else name


def folded_table(table: Table, column: Column, title: str) -> str:
    return (
        f'<details class="table" data-env="{escape(column.env)}" data-policy="{escape(column.policy)}">'
        f'<summary>{escape(title)}</summary><div class="wide" role="region" tabindex="0" aria-label="{escape(title)}">'
        f"{to_html(table)}</div></details>"
    )


def figure(drawing: Drawing) -> str:
    source = base64.b64encode(encoded(drawing.figure, "svg")).decode()
    broad = ' class="broad"' if drawing.figure.get_figwidth() > BROAD else ""
    return (
        f'<figure{broad} id="figure-{drawing.name}" data-env="{escape(drawing.env)}" data-policy="{escape(drawing.policy)}">'
        f'<img alt="{escape(drawing.words)}" src="data:image/svg+xml;base64,{source}">'
        f"<figcaption>{escape(drawing.title)}</figcaption></figure>"
    )


def video_gallery(videos: Sequence[Video]) -> str:
    """Those small enough to be inside, and a line for those that are not."""
    inside = [
        f'<figure data-env="{escape(video.env)}" data-policy="{escape(video.policy)}">'
        f'<video controls muted loop playsinline preload="metadata" aria-label="{escape(video.title)}" '
        f'src="data:video/mp4;base64,{base64.b64encode(video.content).decode()}"></video>'
        f"<figcaption>{escape(video.title)}</figcaption></figure>"
        for video in videos
        if video.content
    ]
    too_large = [f"{video.title}: {video.name} has {size(video.size)}" for video in videos if not video.content]
    if not videos:
        return "<p>None. <code>run --videos 2</code> makes them from evaluation episodes; exported records hold no videos.</p>"
    return f'<div class="gallery">{"".join(inside)}</div>{left_out("Too large to be inside", too_large)}'


def left_out(title: str, reasons: Sequence[str]) -> str:
    if not reasons:
        return ""
    items = "".join(f"<li>{escape(reason)}</li>" for reason in reasons)
    return f"<details><summary>{escape(title)} ({len(reasons)})</summary><ul>{items}</ul></details>"


def provenance_list(provenance: dict[str, Any]) -> str:
    """Every stage's manifest, every machine, and the request."""
    stages = sorted(provenance["stages"].items(), key=lambda item: (STAGES.index(item[1]["kind"]), item[1]["label"], item[0]))
    parts = [
        folded_json(
            f"stage-{key}", f"{manifest['label']} · {key}", {**manifest, "provenance": f"machine {manifest['provenance']}"}
        )
        for key, manifest in stages
    ]
    parts += [folded_json(f"machine-{i}", f"machine {i}", machine) for i, machine in enumerate(provenance["provenance"])]
    rest = {name: value for name, value in provenance.items() if name not in ("cells", "stages", "provenance")}
    return "\n".join([*parts, folded_json("request", "request", rest)])


def folded_json(anchor: str, title: str, value: Any) -> str:
    text = escape(json.dumps(value, indent=1, sort_keys=True))
    return f'<details id="{escape(anchor)}"><summary>{escape(title)}</summary><pre tabindex="0">{text}</pre></details>'
