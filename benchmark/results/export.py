"""Results small enough to commit: episodes, cells, curves and spectra as CSV files, with where they came from."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from benchmark.core.errors import BenchmarkError
from benchmark.results.bundle import CURVES, SPECTRA, Results
from benchmark.storage.files import write_text

TEXT = {"variant": "", "visual_shift": "", "reason": None, "error": None}  # columns in which an empty field means this
PROVENANCE = "provenance.json"


def export(results: Results, folder: Path) -> int:
    """Write what exists; returns the number of episodes."""
    if results.records.empty:
        raise BenchmarkError("nothing of this plan has been run; there is nothing to export")
    folder.mkdir(parents=True, exist_ok=True)
    files = {"records": (results.records, None), "cells": (results.cells, "%.6g")}
    files |= {"curves": (results.curves, "%.4g"), "spectra": (results.spectra, "%.4g")}
    for name, (frame, digits) in files.items():
        write_text(folder / f"{name}.csv", frame.to_csv(index=False, lineterminator="\n", float_format=digits))
    write_text(folder / PROVENANCE, json.dumps(results.provenance, indent=1, sort_keys=True) + "\n")
    return len(results.records)


def load(folder: Path) -> Results:
    """The results as `gather` gives them. Exports of earlier versions hold no curves, no spectra and no stages."""
    provenance = folder / PROVENANCE
    if not provenance.is_file():
        raise BenchmarkError(f"{provenance} is missing: {folder} holds no exported records")
    curves, spectra = (
        _read(folder / f"{name}.csv") if (folder / f"{name}.csv").is_file() else pd.DataFrame(columns=columns)
        for name, columns in (("curves", CURVES), ("spectra", SPECTRA))
    )
    known = json.loads(provenance.read_text())
    return Results(
        _read(folder / "records.csv"), _read(folder / "cells.csv"), curves, spectra, {"cells": [], "stages": {}, **known}
    )


def _read(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise BenchmarkError(f"{path} is missing: {path.parent} holds no exported records")
    frame = pd.read_csv(path)
    for column in TEXT.keys() & set(frame.columns):
        frame[column] = frame[column].astype(object).where(frame[column].notna(), TEXT[column])
    return frame
