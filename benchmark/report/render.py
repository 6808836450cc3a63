"""A Table as text for a terminal, Markdown, CSV, LaTeX, HTML or JSON. Nothing here knows what the table is about."""

from __future__ import annotations

import csv
import html
import io
import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

import rich.box
import rich.table
from rich.console import Console, Group
from rich.text import Text

from benchmark.core.errors import UnknownName
from benchmark.core.progress import has_command
from benchmark.report.table import DASH, Table, TableCell, TableRow

KINDS = {"ceiling": "ceiling: sees the simulator state", "floor": "floor: not trained", "row": "", "total": ""}
ENDLESS = 100_000  # columns of a pipe: nothing is folded there, and a line can be found by its words
SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def render(table: Table, style: str, *, terminal: bool = False) -> str:
    """The table in one of STYLES; with `terminal` a text comes in the terminal's width and colours."""
    if style not in STYLES:
        raise UnknownName("format", style, STYLES)
    if terminal and style == "text":
        return _captured(Console(force_terminal=True), to_rich(table))
    return STYLES[style](table).rstrip("\n")


def _label(row: TableRow) -> str:
    return f"{row.label} ({KINDS[row.kind]})" if KINDS[row.kind] else row.label


def _groups(table: Table) -> Iterator[tuple[str, list[TableRow]]]:
    """Runs of rows of one kind: what a rule separates."""
    for kind, rows in groupby(table.rows, key=lambda row: row.kind):
        yield kind, list(rows)


def _superscript(table: Table, notes: Sequence[str]) -> str:
    return " ".join(str(mark) for mark in table.marks(notes)).translate(SUPERSCRIPTS)


# ------------------------------------------------------------------------------------------------------------ terminal


def to_rich(table: Table, *, plain: bool = False) -> Group:
    """For a terminal. Brackets of intervals are text here, not markup. `plain`: a star where bold cannot be shown."""
    notes = [Text(f"{str(i).translate(SUPERSCRIPTS)} {note}", style="dim") for i, note in enumerate(table.notes, 1)]
    return Group(_grid(table, plain), *map(_paragraph, [Text(table.caption), *map(Text, table.remarks), *notes]))


def _paragraph(text: Text) -> Text:
    """Folded between words, but for one with a command in it: what is copied must hold no line break."""
    if has_command(text.plain):
        text.no_wrap, text.overflow = True, "ignore"
    return text


def _grid(table: Table, plain: bool) -> rich.table.Table:
    table_view = rich.table.Table(box=rich.box.SIMPLE_HEAD, pad_edge=False)
    table_view.add_column(Text(table.stub), overflow="fold")  # half a name is no name
    for column in table.columns:
        table_view.add_column(Text(column.heading), justify=column.align)
    for _, rows in _groups(table):
        for row in rows:
            style = "" if row.kind == "row" else "bold" if row.kind == "total" else "italic"
            label = Text(_label(row) + _superscript(table, row.notes), style=style)
            star = "*" if plain else ""
            cells = [
                Text(star * c.strong + c.text + _superscript(table, c.notes), style="bold" if c.strong else "")
                for c in row.cells
            ]
            table_view.add_row(label, *cells)
        table_view.add_section()
    return table_view


def to_text(table: Table) -> str:
    """Without colour and as wide as the text is, for files and pipes."""
    console = Console(width=ENDLESS, file=io.StringIO(), color_system=None)
    return _captured(console, to_rich(table, plain=True))


def _captured(console: Console, group: Group) -> str:
    with console.capture() as captured:
        console.print(group)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


# ------------------------------------------------------------------------------------------------------------ markdown


def to_markdown(table: Table) -> str:
    def prose(text: str) -> str:
        return re.sub(r"([|*\\])", r"\\\1", text.replace("\n", " ")).replace("<", "&lt;")

    def escape(text: str) -> str:
        return prose(text).replace("`", "\\`")

    def cell(c: TableCell) -> str:
        text = f"**{escape(c.text)}**" if c.strong else escape(c.text)
        return text + _superscript(table, c.notes)

    def label(row: TableRow) -> str:
        text = escape(_label(row)) + _superscript(table, row.notes)
        return f"*{text}*" if KINDS[row.kind] else f"**{text}**" if row.kind == "total" else text

    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cells)} |"

    rules = ["---:" if column.align == "right" else ":---" for column in table.columns]
    lines = [line([escape(table.stub), *(escape(c.heading) for c in table.columns)]), line([":---", *rules])]
    lines += [line([label(row), *map(cell, row.cells)]) for row in table.rows]
    numbers = (str(i).translate(SUPERSCRIPTS) for i in range(1, len(table.notes) + 1))
    notes = "  \n".join(f"{number} {escape(note)}" for number, note in zip(numbers, table.notes, strict=True))
    paragraphs = [prose(table.caption), *map(prose, table.remarks), *([notes] if notes else [])]
    return "\n".join(lines) + "\n\n" + "\n\n".join(paragraphs)


# ----------------------------------------------------------------------------------------------------------------- csv


def to_csv(table: Table) -> str:
    """For programs: numbers in full precision, the ends of intervals in columns of their own, reasons in `notes`."""
    spans = [any(row.cells[i].low is not None for row in table.rows) for i in range(len(table.columns))]
    header = [table.stub.lower(), "kind"]
    for column, span in zip(table.columns, spans, strict=True):
        header += [column.key, f"{column.key}_low", f"{column.key}_high"] if span else [column.key]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*header, "notes"])
    for row in table.rows:
        values: list[Any] = [row.label, row.kind]
        for cell, span in zip(row.cells, spans, strict=True):
            values.append("" if cell.text == DASH else _exact(cell))
            values += ["" if end is None else repr(float(end)) for end in (cell.low, cell.high)] if span else []
        writer.writerow([*values, "; ".join(dict.fromkeys([*row.notes, *(n for cell in row.cells for n in cell.notes)]))])
    return out.getvalue()


def _exact(cell: TableCell) -> str:
    """The number behind the text, or the text where it is that number already (`0.80` stays `0.80`)."""
    try:
        printed = float(cell.text)
    except ValueError:
        printed = math.nan
    return cell.text if cell.value is None or printed == cell.value else repr(float(cell.value))


# --------------------------------------------------------------------------------------------------------------- latex

LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': "''", "`": r"\textasciigrave{}",
    "—": "---", "–": "--", "±": r"$\pm$", "×": r"$\times$", "·": r"$\cdot$", "≥": r"$\geq$", "≤": r"$\leq$",
    "≈": r"$\approx$", "∞": r"$\infty$", "→": r"$\to$", "−": r"$-$", "µ": r"\textmu{}", "²": r"\textsuperscript{2}",
    "…": r"\ldots{}", "\n": " ",
}  # fmt: skip


def latex_escape(text: str) -> str:
    """Any text as LaTeX prints it: `--flag` keeps its two hyphens, what no font has shows its code point."""

    def one(character: str) -> str:
        escaped = LATEX.get(character, character)
        return escaped if escaped != character or ord(character) < 0x250 else f"[U+{ord(character):04X}]"

    escaped = "".join(map(one, re.sub("-(?=-)", "\0", text)))
    return escaped.replace("\0", "-{}")


def to_latex(table: Table) -> str:
    """A booktabs table. The preamble needs the packages `booktabs` and `textcomp`."""

    def marked(text: str, notes: Sequence[str], command: str = "") -> str:
        marks = ",".join(map(str, table.marks(notes)))
        body = f"{command}{{{latex_escape(text)}}}" if command else latex_escape(text)
        return body + (rf"\textsuperscript{{{marks}}}" if marks else "")

    def line(row: TableRow) -> str:
        style = {"ceiling": r"\textit", "floor": r"\textit", "total": r"\textbf"}.get(row.kind, "")
        cells = [marked(c.text, c.notes, r"\textbf" if c.strong else "") for c in row.cells]
        return joined([marked(_label(row), row.notes, style), *cells])

    def joined(cells: Sequence[str]) -> str:
        # a bracket or star after the end of the line before would be read as its optional argument
        return re.sub(r"^([\[*])", r"{}\1", " & ".join(cells)) + r" \\"

    groups = ["\n".join(map(line, rows)) for _, rows in _groups(table)]
    heading = joined([latex_escape(text) for text in [table.stub, *(c.heading for c in table.columns)]])
    small = [latex_escape(remark) for remark in table.remarks]
    small += [rf"\textsuperscript{{{i}}} {latex_escape(note)}" for i, note in enumerate(table.notes, 1)]
    return "\n".join(
        [
            r"\begin{table}[t]",
            r"\centering",
            rf"\caption{{{latex_escape(table.caption)}}}",
            rf"\label{{tab:{re.sub(r'[^A-Za-z0-9-]', '-', table.name)}}}",
            rf"\begin{{tabular}}{{l{''.join('r' if c.align == 'right' else 'l' for c in table.columns)}}}",
            r"\toprule",
            heading,
            r"\midrule",
            "\n\\midrule\n".join(groups),
            r"\bottomrule",
            r"\end{tabular}",
            *[rf"\par\smallskip{{\footnotesize\raggedright {text}\par}}" for text in small],
            r"\end{table}",
        ]
    )


# ------------------------------------------------------------------------------------------------------ html and json


def to_html(table: Table) -> str:
    """A `<table>` whose numbers stand in `data-value`, one `<tbody>` per group of rows, notes in a list below."""

    def marks(notes: Sequence[str]) -> str:
        links = [f'<a href="#{table.name}-note-{mark}">{mark}</a>' for mark in table.marks(notes)]
        return f"<sup>{', '.join(links)}</sup>" if links else ""

    def cell(c: TableCell, align: str) -> str:
        numbers = {"value": c.value, "low": c.low, "high": c.high}
        data = "".join(f' data-{name}="{float(number)!r}"' for name, number in numbers.items() if number is not None)
        text = html.escape(c.text)
        return f'<td class="{align}"{data}>{f"<strong>{text}</strong>" if c.strong else text}{marks(c.notes)}</td>'

    lines = [f'<table id="{html.escape(table.name)}">', f"<caption>{html.escape(table.caption)}</caption>", "<thead><tr>"]
    lines.append(f'<th scope="col" class="left">{html.escape(table.stub)}</th>')
    heading = '<th scope="col" class="{}" data-key="{}">{}</th>'
    lines += [heading.format(c.align, html.escape(c.key), html.escape(c.heading)) for c in table.columns]
    lines.append("</tr></thead>")
    for kind, rows in _groups(table):
        lines.append(f'<tbody class="{kind}">')
        for row in rows:
            cells = "".join(cell(c, column.align) for c, column in zip(row.cells, table.columns, strict=True))
            lines.append(f'<tr><th scope="row" class="left">{html.escape(_label(row))}{marks(row.notes)}</th>{cells}</tr>')
        lines.append("</tbody>")
    lines.append("</table>")
    lines += [f'<p class="remark">{html.escape(remark)}</p>' for remark in table.remarks]
    if table.notes:
        items = [f'<li id="{table.name}-note-{i}">{html.escape(note)}</li>' for i, note in enumerate(table.notes, 1)]
        lines.append(f'<ol class="notes">{"".join(items)}</ol>')
    return "\n".join(lines)


def to_json(table: Table) -> str:
    def finite(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: finite(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [finite(item) for item in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return json.dumps({**finite(asdict(table)), "notes": table.notes}, indent=1, ensure_ascii=False, allow_nan=False)


STYLES: dict[str, Callable[[Table], str]] = {
    "text": to_text,
    "md": to_markdown,
    "csv": to_csv,
    "latex": to_latex,
    "html": to_html,
    "json": to_json,
}
