#!/usr/bin/env python3
"""Writes what is generated from records: results/measured/*/*.md and *.svg, and the README between its markers.

    python scripts/regenerate.py            write
    python scripts/regenerate.py --check    exit 1 if something is not what the records say

A marker in the README is `<!-- table NAME of FOLDER -->` ... `<!-- end -->`; FOLDER lies in results/measured.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from benchmark.report.budgets import budgets
from benchmark.report.figures import encoded, over_budgets, probe_scatter, scores
from benchmark.report.ledgers import experts
from benchmark.report.probes import probes
from benchmark.report.render import render
from benchmark.report.tables import build
from benchmark.results.bundle import Results
from benchmark.results.export import load
from benchmark.results.view import Column, Options, ResultsView

ROOT = Path(__file__).resolve().parent.parent
MEASURED = ROOT / "results" / "measured"
ROWS_WORTH_A_FIGURE = 4
BUDGET_POLICY = "knn"  # of tables over budgets: it costs no training
MARKED = re.compile(r"(<!-- table (\w+) of ([\w-]+) -->\n).*?(<!-- end -->)", re.S)


def folders() -> list[Path]:
    return sorted(path.parent for path in MEASURED.glob("*/records.csv"))


def names(folder: Path) -> list[str]:
    """The tables that make sense for a folder of records."""
    cells = load(folder).cells
    found = ["main"] if cells.policy.nunique() == 1 else ["policies"]
    found += ["budget", *(["tasks"] if "kitchen" in set(cells.env) else [])]
    found += ["actions"] if cells.variant.eq("with_actions").any() else []
    return found + (["ablations"] if cells.variant.ne("").any() else [])


def generated() -> dict[Path, str]:
    """Path -> text of every table."""
    files = {}
    for folder in folders():
        for name in names(folder):
            files[folder / f"{name}.md"] = _table(name, folder) + "\n"
        results = load(folder)
        for env, policy in places_worth_a_figure(results):
            files[folder / f"probes-{env}-{policy}.md"] = render(probes(results, Options(env=env, policy=policy)), "md") + "\n"
    for folder, parts in over_budgets_of():
        files[folder / "budgets.md"] = render(budgets(_frames(parts), Options(policy=BUDGET_POLICY)), "md") + "\n"
    episodes = pd.concat([pd.read_csv(path) for path in sorted((MEASURED / "experts").glob("*.csv"))])
    files[MEASURED / "experts" / "experts.md"] = render(experts(episodes), "md") + "\n"
    readme = ROOT / "README.md"
    files[readme] = MARKED.sub(lambda m: f"{m[1]}\n{_table(m[2], MEASURED / m[3])}\n\n{m[4]}", readme.read_text())
    return files


def places_worth_a_figure(results: Results) -> list[Column]:
    """The columns of scores that have enough rows to look for a pattern in."""
    few = len(results.cells[["method", "variant"]].drop_duplicates()) < ROWS_WORTH_A_FIGURE
    return [] if few else ResultsView(results.records, results.cells, Options()).places


def over_budgets_of() -> Iterator[tuple[Path, list[Path]]]:
    """A folder NAME, and the records of other budgets beside it: NAME-15k, NAME-240k."""
    for folder in folders():
        if others := sorted(MEASURED.glob(f"{folder.name}-[0-9]*k")):
            yield folder, [folder, *others]


def _frames(parts: Sequence[Path]) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
    found = [load(part) for part in parts]
    return [(results.records, results.cells) for results in found]


def _table(name: str, folder: Path) -> str:
    results = load(folder)
    return render(build(name, results.records, results.cells), "md")


def redrawn(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """The figures of other records than these. Another matplotlib draws other bytes, so a figure is judged by its source."""
    results, source = load(folder), _source(folder)
    for env, policy in places_worth_a_figure(results):
        for name, draw in (("scores", scores), ("probe", probe_scatter)):
            path = folder / f"{name}-{env}-{policy}.svg"
            if not path.is_file() or source not in path.read_text():
                yield path, encoded(draw(results.records, results.cells, Options(env=env, policy=policy)), "svg", source)


def redrawn_over_budgets() -> Iterator[tuple[Path, bytes]]:
    for folder, parts in over_budgets_of():
        path, source = folder / "budgets.svg", _source(*parts)
        if not path.is_file() or source not in path.read_text():
            yield path, encoded(over_budgets(_frames(parts), Options(policy=BUDGET_POLICY)), "svg", source)


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
