"""Records small enough to commit: the episodes and cells of a plan as two CSV files, with where they came from."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from benchmark.errors import BenchmarkError
from benchmark.plan import Plan, Request
from benchmark.report.collect import collect
from benchmark.store import Store

TEXT = {"variant": "", "visual_shift": "", "reason": None, "error": None}  # columns in which an empty field means this


def export(plan: Plan, store: Store, request: Request, folder: Path) -> int:
    """Write what exists of a plan; returns the number of episodes."""
    records, cells = collect(plan, store)
    if records.empty:
        raise BenchmarkError("nothing of this plan has been run; there is nothing to export")
    folder.mkdir(parents=True, exist_ok=True)
    records.to_csv(folder / "records.csv", index=False, lineterminator="\n")
    cells.to_csv(folder / "cells.csv", index=False, lineterminator="\n", float_format="%.6g")
    manifests = {
        cell.stages["rollout"]: store.manifest("rollout", cell.stages["rollout"])["provenance"]
        for cell in plan.cells
        if cell.stages and store.has("rollout", cell.stages["rollout"])
    }
    unique = [json.loads(text) for text in sorted({json.dumps(p, sort_keys=True) for p in manifests.values()})]
    provenance = {"request": asdict(request), "rollouts": sorted(manifests), "provenance": unique}
    (folder / "provenance.json").write_text(json.dumps(provenance, indent=1, sort_keys=True) + "\n")
    return len(records)


def load(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(records, cells) as `collect` gives them."""
    frames = []
    for name in ("records", "cells"):
        path = folder / f"{name}.csv"
        if not path.is_file():
            raise BenchmarkError(f"{path} is missing: {folder} holds no exported records")
        frame = pd.read_csv(path)
        for column in TEXT.keys() & set(frame.columns):
            frame[column] = frame[column].astype(object).where(frame[column].notna(), TEXT[column])
        frames.append(frame)
    return frames[0], frames[1]
