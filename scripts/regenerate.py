#!/usr/bin/env python3
"""Writes what is generated from records: results/measured/*/*.md and *.svg, README.md and docs/findings.md between markers.

    python scripts/regenerate.py            write
    python scripts/regenerate.py --check    exit 1 if something is not what the records say

A marker is `<!-- table NAME of FOLDER -->` ... `<!-- end -->`, for a table of several records
`<!-- table NAME of FOLDER, FOLDER -->`; each FOLDER lies in results/measured. `<!-- commands of FOLDER, FOLDER -->` stands for
the commands that make them again, `<!-- first number -->` for what scripts/first_number.py measured, and
`<!-- goals of ENV, ENV -->` for what scripts/measure_goals.py did.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pandas as pd
from first_number import COMMAND, RECORD, FirstNumber, sentence

from benchmark import registry
from benchmark.core.errors import BenchmarkError
from benchmark.report.drawing import encoded
from benchmark.report.figures import over_budgets, probe_scatter, scores
from benchmark.report.inputs import TableInputs
from benchmark.report.render import render
from benchmark.report.tables import build
from benchmark.results.export import load
from benchmark.results.options import Column, Options
from benchmark.results.view import ResultsView

ROOT = Path(__file__).resolve().parent.parent
MEASURED = ROOT / "results" / "measured"
PAGES = (ROOT / "README.md", ROOT / "docs" / "findings.md")
ROWS_WORTH_A_FIGURE = 4
BUDGET_POLICY = "knn"  # of tables over budgets: it costs no training
NAMES = r"[\w-]+(?:, [\w-]+)*"
MARKED = re.compile(rf"(<!-- (?:(table \w+|commands|goals) of ({NAMES})|first number) -->\n).*?(<!-- end -->)", re.S)
BEGINNINGS = ("<!-- table ", "<!-- commands ", "<!-- goals ", "<!-- first number")


def folders() -> list[Path]:
    return sorted(path.parent for path in MEASURED.glob("*/records.csv"))


@cache
def view_of(folder: Path) -> ResultsView:
    """One for all tables and figures of a folder: what one computes the others need not."""
    return ResultsView(load(folder))


def names(folder: Path) -> list[str]:
    """The tables that make sense for a folder of records."""
    cells = view_of(folder).cells
    chosen = ["main"] if cells.policy.nunique() == 1 else ["policies"]
    chosen += ["cost", *(["tasks"] if view_of(folder).task_metrics(view_of(folder).env) else [])]
    chosen += ["actions"] if cells.variant.eq("with_actions").any() else []
    return chosen + (["ablations"] if (~cells.variant.isin(["", "untrained"])).any() else [])  # a control is no ablation


def generated() -> dict[Path, str]:
    """Path -> text of every table."""
    files = {}
    for folder in folders():
        for name in names(folder):
            files[folder / f"{name}.md"] = _table(name, folder)
        for env, policy in columns_worth_a_figure(folder):
            files[folder / f"probes-{env}-{policy}.md"] = _table("probes", folder, options=Options(env=env, policy=policy))
    for folder, parts in over_budgets_of():
        files[folder / "budgets.md"] = _table("budgets", *parts, options=Options(policy=BUDGET_POLICY))
    files[MEASURED / "experts" / "experts.md"] = _markdown("experts", TableInputs(episodes=_expert_episodes()))
    files |= {page: filled(page.read_text()) for page in PAGES}
    return files


def filled(text: str) -> str:
    """With the tables that its markers name. One that cannot be read would leave an old table where it stands."""
    if len(MARKED.findall(text)) != sum(map(text.count, BEGINNINGS)):
        raise BenchmarkError(
            "a marker of a table is none of: <!-- table NAME of FOLDER, FOLDER -->, <!-- commands of FOLDER, FOLDER -->, "
            "<!-- goals of ENV, ENV -->, <!-- first number --> ... <!-- end -->"
        )
    return MARKED.sub(lambda m: f"{m[1]}\n{_content(m[2], m[3])}\n{m[4]}", text)


def _content(what: str | None, names: str | None) -> str:
    if what is None or names is None:
        return _first_number() + "\n"
    if what == "goals":
        return _goals(names.split(", "))
    chosen = [MEASURED / name for name in names.split(", ")]
    return "\n".join(map(again, chosen)) + "\n" if what == "commands" else _table(what.removeprefix("table "), *chosen)


def again(folder: Path) -> str:
    """The command that makes a folder's records again, without what only says how many cores to use."""
    request = load(folder).provenance["request"]
    chosen = [f"--{name}={','.join(request[name])}" for name in ("methods", "envs", "policies")]
    settings = [text for text in request["overrides"] if not text.startswith("machine.")]
    if request["preset"] != "quick":
        chosen.append(f"--preset={request['preset']}")
    words = ["python", "-m", "benchmark", "run", *chosen, f"--seeds={request['seeds']}", *settings]
    return f"    {shlex.join(words)}"


def _first_number() -> str:
    if not RECORD.is_file():
        return f"How long that takes from `git clone` on: `python3 scripts/first_number.py` measures `{' '.join(COMMAND)}`."
    return sentence(FirstNumber(**json.loads(RECORD.read_text())))


def _goals(names: list[str]) -> str:
    """Errors as a fraction of those of knowing nothing, with 95 % intervals over episodes."""
    lines = [
        "| Cell | Data set | Score | Own goal | Another one's | Difference |",
        "| :--- | :--- | :--- | ---: | ---: | ---: |",
    ]
    for row in pd.concat([pd.read_csv(MEASURED / "goals" / f"{name}.csv") for name in names]).to_dict("records"):
        values = [
            f"{row[of]:.2f} [{row[f'{of}_low']:.2f}, {row[f'{of}_high']:.2f}]" for of in ("own", "other", "other_minus_own")
        ]
        lines.append(f"| {' | '.join([row['cell'], row['data_set'], row['score'], *values])} |")
    return "\n".join(lines) + "\n"


def columns_worth_a_figure(folder: Path) -> list[Column]:
    """The columns of scores that have enough rows to look for a pattern in."""
    view = view_of(folder)
    return view.columns if len(view.rows) >= ROWS_WORTH_A_FIGURE else []


def over_budgets_of() -> Iterator[tuple[Path, list[Path]]]:
    """A folder NAME, and the records of other budgets next to it: NAME-15k, NAME-240k."""
    for folder in folders():
        if others := sorted(MEASURED.glob(f"{folder.name}-[0-9]*k")):
            yield folder, [folder, *others]


def _expert_episodes() -> pd.DataFrame:
    """Of all environments, under their titles."""
    episodes = pd.concat([pd.read_csv(path) for path in sorted((MEASURED / "experts").glob("*.csv"))])
    return episodes.assign(env=[registry.envs().get(name).title or name for name in episodes.env])


def _table(name: str, *folders: Path, options: Options | None = None) -> str:
    return _markdown(name, TableInputs(options or Options(), [view_of(folder) for folder in folders]))


def _markdown(name: str, inputs: TableInputs) -> str:
    return render(build(name, inputs), "md") + "\n"


def redrawn(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """The figures of other records than these. Another matplotlib draws other bytes, so a figure is judged by its source."""
    source = _source(folder)
    for env, policy in columns_worth_a_figure(folder):
        for name, draw in (("scores", scores), ("probe", probe_scatter)):
            path = folder / f"{name}-{env}-{policy}.svg"
            if not path.is_file() or source not in path.read_text():
                view = view_of(folder).with_options(Options(env=env, policy=policy))
                yield path, encoded(draw(view), "svg", source)


def redrawn_over_budgets() -> Iterator[tuple[Path, bytes]]:
    for folder, parts in over_budgets_of():
        path, source = folder / "budgets.svg", _source(*parts)
        if not path.is_file() or source not in path.read_text():
            views = [view_of(part).with_options(Options(policy=BUDGET_POLICY)) for part in parts]
            yield path, encoded(over_budgets(views), "svg", source)


def _source(*folders: Path) -> str:
    read = b"".join((folder / name).read_bytes() for folder in folders for name in ("records.csv", "cells.csv"))
    return f"sha256 of records.csv and cells.csv: {hashlib.sha256(read).hexdigest()}"


def main() -> int:
    tables = generated()
    stale = {path: text.encode() for path, text in tables.items() if not path.is_file() or path.read_text() != text}
    for folder in folders():
        stale |= redrawn(folder)
    stale |= redrawn_over_budgets()
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is not what the records say; run: python scripts/regenerate.py")
        return 1 if stale else 0
    for path in stale:
        path.write_bytes(stale[path])
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
