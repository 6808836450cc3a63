"""One small table in every style: golden where people read it, parsed where programs do."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
from html.parser import HTMLParser

import pytest
from rich.console import Console
from rich.text import Text

from benchmark.core.errors import UnknownName
from benchmark.report.published import published_table
from benchmark.report.render import latex_escape, render, to_rich
from benchmark.report.table import DASH, Table, TableCell, TableColumn, TableRow, estimate_cell

TABLE = Table(
    name="main",
    caption="Scores of 10 episodes; 95 % interval.",
    stub="Method",
    columns=(
        TableColumn("kitchen/mlp", "Kitchen /4"),
        TableColumn("frames", "Frames seen"),
        TableColumn("status", "Status", "left"),
    ),
    rows=(
        TableRow("state", (estimate_cell(3.1, 2.5, 3.75), TableCell("0", 0.0), TableCell("agrees")), "ceiling"),
        TableRow(
            "dynamo:no_forward",
            (estimate_cell(1.5, 1, 2, notes=("2 of 9 crashed",), strong=True), TableCell("40k", 4e4), TableCell(DASH)),
        ),
        TableRow(
            "r3m", (TableCell(DASH, notes=("missing: run x --y",)), TableCell(DASH), TableCell(DASH, notes=("2 of 9 crashed",)))
        ),
        TableRow("random", (estimate_cell(1, 1, float("inf")), TableCell("0", 0.0), TableCell("a|b*<c>")), "floor"),
    ),
    remarks=("Bold or *: best.",),
)

MARKDOWN = r"""| Method | Kitchen /4 | Frames seen | Status |
| :--- | ---: | ---: | :--- |
| *state (ceiling: sees the simulator state)* | 3.10 [2.50, 3.75] | 0 | agrees |
| dynamo:no_forward | **1.50 [1.00, 2.00]**¹ | 40k | — |
| r3m | —² | — | —¹ |
| *random (floor: not trained)* | 1.00 [1.00, ∞] | 0 | a\|b\*&lt;c> |

Scores of 10 episodes; 95 % interval.

Bold or \*: best.

¹ 2 of 9 crashed  
² missing: run x --y"""  # noqa: W291 - two spaces break a line in Markdown

TEXT = """
 Method                                               Kitchen /4   Frames seen   Status
 ───────────────────────────────────────────────────────────────────────────────────────
 state (ceiling: sees the simulator state)     3.10 [2.50, 3.75]             0   agrees

 dynamo:no_forward                           *1.50 [1.00, 2.00]¹           40k   —
 r3m                                                          —²             —   —¹

 random (floor: not trained)                      1.00 [1.00, ∞]             0   a|b*<c>

Scores of 10 episodes; 95 % interval.
Bold or *: best.
¹ 2 of 9 crashed
² missing: run x --y"""

CSV = """method,kind,kitchen/mlp,kitchen/mlp_low,kitchen/mlp_high,frames,status,notes
state,ceiling,3.1,2.5,3.75,0,agrees,
dynamo:no_forward,row,1.5,1.0,2.0,40000.0,,2 of 9 crashed
r3m,row,,,,,,missing: run x --y; 2 of 9 crashed
random,floor,1.0,1.0,inf,0,a|b*<c>,"""

LATEX = r"""\begin{table}[t]
\centering
\caption{Scores of 10 episodes; 95 \% interval.}
\label{tab:main}
\begin{tabular}{lrrl}
\toprule
Method & Kitchen /4 & Frames seen & Status \\
\midrule
\textit{state (ceiling: sees the simulator state)} & 3.10 [2.50, 3.75] & 0 & agrees \\
\midrule
dynamo:no\_forward & \textbf{1.50 [1.00, 2.00]}\textsuperscript{1} & 40k & --- \\
r3m & ---\textsuperscript{2} & --- & ---\textsuperscript{1} \\
\midrule
\textit{random (floor: not trained)} & 1.00 [1.00, $\infty$] & 0 & a\textbar{}b*\textless{}c\textgreater{} \\
\bottomrule
\end{tabular}
\par\smallskip{\footnotesize\raggedright Bold or *: best.\par}
\par\smallskip{\footnotesize\raggedright \textsuperscript{1} 2 of 9 crashed\par}
\par\smallskip{\footnotesize\raggedright \textsuperscript{2} missing: run x -{}-y\par}
\end{table}"""


@pytest.mark.parametrize(("style", "expected"), [("md", MARKDOWN), ("text", TEXT), ("csv", CSV), ("latex", LATEX)])
def test_golden(style, expected):
    assert render(TABLE, style) == expected


def test_markdown_shows_names_and_notes_as_they_are():
    odd = "a|b`c`*d*<e>\\f"
    columns = (TableColumn("x", odd),)
    table = Table(
        "t", "of `table main`", odd, columns, (TableRow(odd, (TableCell(odd, notes=(odd,)),), notes=("`n`",)),), ("`r`",)
    )
    escaped = r"a\|b\`c\`\*d\*&lt;e>\\f"
    assert render(table, "md") == (
        f"| {escaped} | {escaped} |\n| :--- | ---: |\n| {escaped}¹ | {escaped}² |\n\n"
        f"of `table main`\n\n`r`\n\n¹ \\`n\\`  \n² {escaped}"
    )


def test_csv_round_trip():
    rows = list(csv.DictReader(io.StringIO(render(TABLE, "csv"))))
    for row, source in zip(rows, TABLE.rows, strict=True):
        assert row["method"] == source.label
        score = source.cells[0]
        ends = [float(row[f"kitchen/mlp{end}"]) if row["kitchen/mlp"] else None for end in ("", "_low", "_high")]
        assert ends == [score.value, score.low, score.high]


def test_json_holds_everything():
    loaded = json.loads(render(TABLE, "json"))
    assert loaded["notes"] == ["2 of 9 crashed", "missing: run x --y"] == TABLE.notes
    assert loaded["rows"][1]["cells"][0] == {
        "text": "1.50 [1.00, 2.00]", "value": 1.5, "low": 1, "high": 2, "notes": ["2 of 9 crashed"], "strong": True,
    }  # fmt: skip
    assert loaded["rows"][3]["cells"][0]["high"] is None  # JSON has no infinity


class Page(HTMLParser):
    """Checks that tags nest, and gathers cells and the ids that links point to."""

    def __init__(self, text):
        super().__init__()
        self.open, self.cells, self.ids, self.links, self.bodies, self.text = [], [], set(), set(), [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        known = dict(attrs)
        self.open.append(tag)
        self.ids |= {known["id"]} if "id" in known else set()
        self.links |= {known["href"].removeprefix("#")} if "href" in known else set()
        self.cells += [known] if tag == "td" else []
        self.bodies += [known["class"]] if tag == "tbody" else []

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_html_nests_escapes_and_links_its_notes():
    page = Page(render(TABLE, "html"))
    assert page.links <= page.ids
    assert page.bodies == ["ceiling", "row", "floor"]
    assert page.cells[0] == {"class": "right", "data-value": "3.1", "data-low": "2.5", "data-high": "3.75"}
    assert "a|b*<c>" in page.text
    hostile = Table("x", "<script>alert(1)</script>", "&", (TableColumn('"', "<b>"),), (TableRow("<i>", (TableCell("<u>"),)),))
    for tag in ("<script", "<i>", "<u>", "<b>"):
        assert tag not in render(hostile, "html")
    noted = Table("x", "", "", (), (TableRow("a", (), notes=("<s>",)),), ("<em>",))
    assert "<s>" not in render(noted, "html")
    assert "<em>" not in render(noted, "html")
    assert "<script>alert(1)</script>" in Page(render(hostile, "html")).text


def test_terminal_shows_brackets_and_keeps_its_width():
    console = Console(width=60, force_terminal=True, color_system="standard")
    with console.capture() as captured:
        console.print(to_rich(TABLE))
    assert "[2.50," in captured.get()
    assert "\x1b[1m" in captured.get()  # bold
    assert max(Text.from_ansi(line).cell_len for line in captured.get().splitlines()) <= 60
    assert "\x1b" not in render(TABLE, "text")
    assert "\x1b" in render(TABLE, "text", terminal=True)
    assert "\x1b" not in render(TABLE, "csv", terminal=True)


def test_a_narrow_terminal_folds_names_and_cuts_none():
    columns = tuple(TableColumn(key, key) for key in ("score", "frames seen"))
    table = Table(
        "t", "", "Method", columns, (TableRow("timm:resnet18@random", (TableCell("0.12 [0.06, 0.32]"), TableCell("60k"))),)
    )
    console = Console(width=44, force_terminal=True, color_system=None, file=io.StringIO())
    console.print(to_rich(table))
    shown = console.file.getvalue()
    assert "…" not in shown
    assert "".join(line[:15].strip() for line in shown.splitlines()).count("timm:resnet18@random") == 1


def test_unknown_style_and_ragged_rows_are_refused():
    with pytest.raises(UnknownName, match="did you mean latex"):
        render(TABLE, "latx")
    with pytest.raises(ValueError, match="short"):
        Table("x", "", "", (TableColumn("a", "a"),), (TableRow("short", ()),))


def test_latex_escapes_every_special_character():
    specials = "\\ & % $ # _ { } ~ ^ < > | \" ' ` -- — ± × ≥ µ ∞ ☃ é"
    escaped = latex_escape(specials)
    assert escaped.split()[1:8] == [r"\&", r"\%", r"\$", r"\#", r"\_", r"\{", r"\}"]
    assert r"-{}-" in escaped
    assert "[U+2603]" in escaped
    assert latex_escape("a — b") == "a --- b"
    assert latex_escape("--- a---b") == "-{}-{}- a-{}-{}-b", "three hyphens would become a dash"
    assert escaped.isascii() or set(escaped) - set(map(chr, range(128))) == {"é"}


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no TeX on this machine")
def test_latex_compiles(tmp_path):
    hostile = "\\ & % $ # _ { } ~ ^ < > | \" ' ` -- — – ± × · ≥ ≤ ≈ ∞ → − µ ² … ☃ é [x] *"
    cells = (TableCell("[1, 2]", notes=(hostile,)), TableCell(hostile, strong=True))
    rows = (TableRow("[a]", cells), TableRow("*b", cells, "floor"), TableRow(hostile, cells, "total", (hostile,)))
    columns = (TableColumn("a", "[h]"), TableColumn("b", hostile, "left"))
    tables = [
        TABLE,
        Table("hard", hostile, "[Method]", columns, rows, (hostile,)),
        published_table("main"),
        published_table("real"),
    ]
    body = "\n".join(render(table, "latex") for table in tables)
    preamble = r"\documentclass{article}\usepackage{booktabs,textcomp}\begin{document}"
    (tmp_path / "t.tex").write_text(f"{preamble}\n{body}\n\\end{{document}}\n")
    run = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert run.returncode == 0, run.stdout[-2000:]
    assert "Unavailable character" not in (tmp_path / "t.log").read_text()
