"""Results small enough to commit: episodes, cells, curves and spectra as CSV files, with where they came from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark import registry
from benchmark.core.errors import BenchmarkError
from benchmark.core.names import component_of
from benchmark.results.bundle import UNKNOWN_RECIPE, Results
from benchmark.results.imported import curves_and_spectra, provenance, records_and_cells
from benchmark.storage.columns import CELL_COLUMNS, IDENTITY
from benchmark.storage.files import flush, verify_files, write_text

PROVENANCE = "provenance.json"
# Exports of earlier versions did not say which methods are not trained nor how components are called: these, then
OLD_FLOOR = "random"
OLD_UNTRAINED = (OLD_FLOOR, "random_vit")
OLD_TITLES = {
    "env": {"kitchen": "Franka Kitchen", "block_push": "Block Pushing", "pusht": "Push-T", "libero_goal": "LIBERO Goal"},
    "policy": {"vqbet": "VQ-BeT", "diffusion": "Diffusion Policy", "mlp": "MLP (chunking)", "knn": "kNN (LWR)"},
}


def export(results: Results, folder: Path, *, replace: bool = False) -> int:
    """Write what exists; returns the number of episodes. Over an older export only if no finished cell of it would be lost, or
    if it may be replaced.

    `provenance.json` is what makes a folder an export: it goes first and comes back last, so that a kill in between leaves no
    mixture of two.
    """
    if results.records.empty:
        preset = ", ".join(sorted(set(results.cells["preset"])))
        asked = f"what was not asked for is as in the last run, preset {preset}: --preset names another"
        raise BenchmarkError(f"nothing of this plan has been run, so there is nothing to export; {asked}")
    if (folder / PROVENANCE).is_file() and not replace:
        before, now = (_finished(cells) for cells in (records_and_cells(folder)[1], results.cells))
        if lost := sorted(before - now):
            raise BenchmarkError(
                f"{folder} holds {len(lost)} finished cells that this export has not, {' · '.join(map(str, lost[0]))} for one: "
                "name another folder, or --replace it"
            )
    folder.mkdir(parents=True, exist_ok=True)
    frames = {"records": (results.records, None), "cells": (results.cells, "%.6g")}
    frames |= {"curves": (results.curves, "%.4g"), "spectra": (results.spectra, "%.4g")}
    texts = {
        f"{name}.csv": frame.to_csv(index=False, lineterminator="\n", float_format=digits)
        for name, (frame, digits) in frames.items()
    }
    files = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}
    origin = json.dumps({**results.provenance, "files": files}, indent=1, sort_keys=True) + "\n"
    (folder / PROVENANCE).unlink(missing_ok=True)
    flush(folder)
    for name, text in texts.items():
        write_text(folder / name, text)
    write_text(folder / PROVENANCE, origin)
    return len(results.records)


def verify(folder: Path) -> None:
    """That the files are those which were exported: of what came over a network. Exports of earlier versions do not say."""
    verify_files(folder, provenance(folder / PROVENANCE).get("files", {}), PROVENANCE)


def _finished(cells: pd.DataFrame) -> set[tuple[Any, ...]]:
    done = cells[cells.status == "done"]
    return set(done[[*IDENTITY, "preset"]].fillna("").itertuples(index=False, name=None))


def load(folder: Path) -> Results:
    """The results as `gather` gives them. Exports of earlier versions hold no curves, no spectra and no stages."""
    path = folder / PROVENANCE
    if not path.is_file():
        raise BenchmarkError(f"{path} is missing: {folder} holds no exported records, or their export was interrupted")
    known = provenance(path)
    known.pop("files", None)  # checksums of the files, no part of what they hold
    records, cells = records_and_cells(folder)
    cells = completed(cells)
    if "demonstrator_score" not in cells:
        cells = cells.assign(demonstrator_score=cells.env.map(_demonstrator_scores(known)))
    cells = cells.reindex(columns=[*cells.columns, *(name for name in CELL_COLUMNS if name not in cells)])
    return Results(records, cells, *curves_and_spectra(folder), known)


def completed(cells: pd.DataFrame) -> pd.DataFrame:
    """With the columns that exports of earlier versions lack."""
    if "floor" not in cells:
        cells = cells.assign(floor=(cells.method == OLD_FLOOR) & (cells.variant == ""))
    if "untrained" not in cells:
        cells = cells.assign(untrained=cells.method.isin(OLD_UNTRAINED) & (cells.variant == ""))
    if "state_target" not in cells:
        cells = cells.assign(state_target=[_state_target(env) for env in cells.env])
    if "departures" not in cells:
        cells = cells.assign(departures=UNKNOWN_RECIPE)
    if "finetuned" not in cells:
        symptom = cells.variant == "tuned"
        if {"gradient_steps", "frames_seen"} <= set(cells):
            symptom |= (cells.gradient_steps == 0) & (cells.frames_seen > 0)
        cells = cells.assign(finetuned=symptom)
    if "collapse_reason" not in cells:
        cells = cells.assign(collapse_reason=[_old_reason(rank) for rank in cells.get("effective_rank", [None] * len(cells))])
    cells = cells if "not_learned" in cells else cells.assign(not_learned=None)
    for column, titles in OLD_TITLES.items():
        if f"{column}_title" not in cells:
            cells = cells.assign(**{f"{column}_title": [titles.get(name, name) for name in cells[column]]})
    return cells


def _state_target(env: str) -> float | None:
    """What the environment of today says: it is a judgement, not a measurement."""
    if component_of(env) not in registry.envs().names() or registry.envs().problem(env):
        return None
    cls = registry.envs().get(env)
    return cls.spec(cls.Config()).state_target


def _demonstrator_scores(known: Mapping[str, Any]) -> dict[str, float | None]:
    """Environment -> mean score of its demonstrations, from their manifest."""
    demos = {cell["env"]: known["stages"].get(cell["stages"].get("demos")) for cell in known["cells"]}
    return {env: manifest["summary"].get("mean_score") for env, manifest in demos.items() if manifest}


def _old_reason(rank: float | None) -> str | None:
    """Of a collapse: there were two signs of one, and the spread was not exported."""
    if rank is None or pd.isna(rank):
        return None
    return f"effective rank {rank:.2g} < 2" if rank < 2 else "spread of features relative to their norm < 0.01"
