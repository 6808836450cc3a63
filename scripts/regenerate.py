#!/usr/bin/env python3
"""Writes every generated table: results/measured/*/TABLE.md, and the README between its markers.

    python scripts/regenerate.py            write
    python scripts/regenerate.py --check    exit 1 if something is not what the records say

A marker in the README is `<!-- table NAME of FOLDER -->` ... `<!-- end -->`; FOLDER lies in results/measured.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pandas as pd

from benchmark.report.export import load
from benchmark.report.ledgers import experts
from benchmark.report.render import render
from benchmark.report.tables import build

ROOT = Path(__file__).resolve().parent.parent
MEASURED = ROOT / "results" / "measured"
MARKED = re.compile(r"(<!-- table (\w+) of ([\w-]+) -->\n).*?(<!-- end -->)", re.S)


def tables(folder: Path) -> list[str]:
    """The tables that make sense for a folder of records."""
    cells = load(folder).cells
    names = ["main"] if cells.policy.nunique() == 1 else ["policies"]
    names += ["budget", *(["tasks"] if "kitchen" in set(cells.env) else [])]
    return names + (["ablations"] if cells.variant.ne("").any() else [])


def generated() -> dict[Path, str]:
    """Path -> content of everything that is generated."""
    files = {}
    for folder in sorted(p.parent for p in MEASURED.glob("*/records.csv")):
        for name in tables(folder):
            files[folder / f"{name}.md"] = _table(name, folder) + "\n"
    episodes = pd.concat([pd.read_csv(path) for path in sorted((MEASURED / "experts").glob("*.csv"))])
    files[MEASURED / "experts" / "experts.md"] = render(experts(episodes), "md") + "\n"
    readme = ROOT / "README.md"
    files[readme] = MARKED.sub(lambda m: f"{m[1]}\n{_table(m[2], MEASURED / m[3])}\n\n{m[4]}", readme.read_text())
    return files


def _table(name: str, folder: Path) -> str:
    results = load(folder)
    return render(build(name, results.records, results.cells), "md")


def main() -> int:
    stale = [path for path, text in generated().items() if not path.is_file() or path.read_text() != text]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is not what the records say; run: python scripts/regenerate.py")
        return 1 if stale else 0
    for path in stale:
        path.write_text(generated()[path])
        print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
