"""Exported results as the files hold them, checked once: whoever made them, what follows can rely on their shape."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmark.core.errors import BenchmarkError
from benchmark.core.names import row_label
from benchmark.core.text import printable_json
from benchmark.results.csv_files import TextTable, read_texts, typed
from benchmark.storage.artifacts import KINDS
from benchmark.storage.columns import CELL_FIELDS, CURVE_FIELDS, IDENTITY, RECORD_FIELDS, SPECTRUM_FIELDS, Field, names
from benchmark.storage.records import METRIC

STATUSES = ("done", "missing", "failed", "pending")
ROUNDING = 1e-6  # of the range of a metric: numbers are written with six digits
COMMIT = re.compile(r"[0-9a-f]{7,64}")
EPISODES = [*IDENTITY, "episode", "episode_seed", "score"]
CELLS = [*IDENTITY, "status", "preset", "privileged", "metric", "metric_low", "metric_high"]


def records_and_cells(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Episodes, each once and of a cell that is done, with scores that its metric can have; and cells, each once."""
    table = read_texts(folder / "cells.csv")
    cells = typed(table, CELL_FIELDS, CELLS)
    for row, (status, low, high) in enumerate(zip(cells.status, cells.metric_low, cells.metric_high, strict=True)):
        if status not in STATUSES:
            raise table.wrong(row, "status", f"'{status}' is none of {', '.join(STATUSES)}")
        if not low < high:
            raise table.wrong(row, "metric_high", f"{high:g} is not above metric_low, {low:g}")
    _once(table, cells, IDENTITY)
    episodes = read_texts(folder / "records.csv")
    metrics = tuple(Field(name) for name in episodes.header if name.startswith(METRIC))
    records = typed(episodes, (*RECORD_FIELDS, *metrics), EPISODES)
    _once(episodes, records, [*IDENTITY, "episode"])
    _agree(episodes, records, table, cells)
    return records, cells


def curves_and_spectra(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Empty where they were not exported."""
    frames = []
    for name, fields in (("curves", CURVE_FIELDS), ("spectra", SPECTRUM_FIELDS)):
        path, columns = folder / f"{name}.csv", names(fields)
        frames.append(typed(read_texts(path), fields, columns) if path.exists() else pd.DataFrame(columns=columns))
    return frames[0], frames[1]


def _once(table: TextTable, frame: pd.DataFrame, columns: Sequence[str]) -> None:
    if (twice := frame.duplicated(list(columns))).any():
        row = int(twice.to_numpy().argmax())
        first = int((frame[list(columns)] == frame.loc[row, list(columns)]).all(axis=1).to_numpy().argmax())
        raise BenchmarkError(
            f"{table.path}, line {table.lines[row]} repeats line {table.lines[first]}: {_named(frame.loc[row], columns)}"
        )


def _agree(episodes: TextTable, records: pd.DataFrame, table: TextTable, cells: pd.DataFrame) -> None:
    """Looked at as columns: there may be a million episodes."""
    if cells.empty:
        place = np.full(len(records), -1)
    else:
        place = pd.MultiIndex.from_frame(cells[IDENTITY]).get_indexer(pd.MultiIndex.from_frame(records[IDENTITY]))
    status = np.append(cells.status.to_numpy(object), "not")[place]  # the last one is of episodes without a cell
    low, high = (np.append(cells[f"metric_{end}"].to_numpy(float), math.nan)[place] for end in ("low", "high"))
    scores, margin = records.score.to_numpy(float), ROUNDING * (high - low)
    inside = (low - margin <= scores) & (scores <= high + margin)
    if (wrong := (status != "done") | ~inside).any():
        row = int(wrong.argmax())
        if status[row] != "done":
            told = f"{_named(records.loc[row], IDENTITY)} is {status[row]} in {table.path.name}"
            raise episodes.wrong(row, "method", f"{told}: an episode needs a cell that is done")
        range_ = f"from {low[row]:g} to {high[row]:g}, as the metric is"
        raise episodes.wrong(row, "score", f"{scores[row]:g} is not {range_}")
    crashed = records.crashed.eq(True).to_numpy() if "crashed" in records else np.zeros(len(records), bool)
    if (wrong := crashed & (scores > low + margin)).any():
        row = int(wrong.argmax())
        raise episodes.wrong(row, "score", f"{scores[row]:g} of an episode that crashed, which has the lowest, {low[row]:g}")
    met = np.isin(np.arange(len(cells)), place)
    if (without := (cells.status.to_numpy(object) == "done") & ~met).any():
        raise table.wrong(int(without.argmax()), "status", f"is done, and {episodes.path.name} has no episode of it")


def _named(row: pd.Series, columns: Sequence[str]) -> str:
    episode = f"episode {row.episode} of " if "episode" in columns else ""
    return f"{episode}{row_label(row.method, row.variant)} in {row.env} with {row.policy}, seed {row.seed}"


# ----------------------------------------------------------------------------------------------------------- provenance


def provenance(path: Path) -> dict[str, Any]:
    """The JSON of an export with every part that is read later; exports of earlier versions have no cells and no stages."""
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise BenchmarkError(f"{path} cannot be read: {error}") from error
    check = _Check(path)
    data = {"cells": [], "stages": {}, **check.object(printable_json(data), "it")}
    if request := check.object(data.get("request"), "request"):  # none, where it was not known
        check.request(request)
    machines = check.list(data.get("provenance"), "provenance")
    for index, machine in enumerate(machines):
        check.machine(machine, f"provenance/{index}")
    for key, stage in check.object(data["stages"], "stages").items():
        check.stage(stage, f"stages/{key}", len(machines))
    for index, cell in enumerate(check.list(data["cells"], "cells")):
        check.cell(cell, f"cells/{index}")
    check.object(data.get("files", {}), "files")
    return data


class _Check:
    """Of one file: what is not as expected is told with its place."""

    def __init__(self, path: Path):
        self.path = path

    def that(self, fine: bool, place: str, value: Any, expected: str) -> None:
        if not fine:
            raise BenchmarkError(f"{self.path}: {place} is {json.dumps(value)[:80]}, expected {expected}")

    def object(self, value: Any, place: str) -> dict[str, Any]:
        self.that(isinstance(value, dict), place, value, "an object")
        return value

    def list(self, value: Any, place: str) -> list[Any]:
        self.that(isinstance(value, list), place, value, "a list")
        return value

    def texts(self, value: Any, place: str) -> None:
        self.that(isinstance(value, list) and all(isinstance(text, str) for text in value), place, value, "a list of texts")

    def count(self, value: Any, place: str) -> None:
        self.that(isinstance(value, int) and not isinstance(value, bool) and value >= 0, place, value, "a number from 0 on")

    def request(self, request: dict[str, Any]) -> None:
        request.setdefault("preset_settings", [])
        settings = ("preset_settings", "overrides")
        for name in ("methods", "envs", "policies", *settings):
            self.texts(request.get(name), f"request/{name}")
        for name in settings:
            for text in request[name]:
                self.that("=" in text, f"request/{name}", text, "KEY=VALUE")
        self.that(isinstance(request.get("preset"), str), "request/preset", request.get("preset"), "a text")
        request.setdefault("first_seed", 0)
        for name in ("seeds", "first_seed"):
            self.count(request.get(name), f"request/{name}")

    def machine(self, machine: Any, place: str) -> None:
        git = self.object(machine, place).setdefault("git", None)
        if git is None:
            return
        commit, dirty = self.object(git, f"{place}/git").get("commit"), git.get("dirty")
        self.that(isinstance(commit, str) and bool(COMMIT.fullmatch(commit)), f"{place}/git/commit", commit, "a commit's hash")
        self.that(isinstance(dirty, bool), f"{place}/git/dirty", dirty, "true or false")

    def stage(self, stage: Any, place: str, machines: int) -> None:
        self.that(
            self.object(stage, place).get("kind") in KINDS, f"{place}/kind", stage.get("kind"), f"one of {', '.join(KINDS)}"
        )
        self.that(isinstance(stage.get("label"), str), f"{place}/label", stage.get("label"), "a text")
        self.count(stage.get("provenance"), f"{place}/provenance")
        self.that(stage["provenance"] < machines, f"{place}/provenance", stage["provenance"], f"one of {machines} machines")
        summary = self.object(stage.get("summary"), f"{place}/summary")
        score, parts = summary.get("mean_score"), summary.get("linear_r2_by_group", {})
        self.that(_number(score), f"{place}/summary/mean_score", score, "a number")
        parts = self.object(parts, f"{place}/summary/linear_r2_by_group")
        self.that(all(map(_number, parts.values())), f"{place}/summary/linear_r2_by_group", parts, "numbers")
        self.that(not set(parts) & set(IDENTITY), f"{place}/summary/linear_r2_by_group", parts, "parts of the state")

    def cell(self, cell: Any, place: str) -> None:
        for name in IDENTITY:
            value = self.object(cell, place).get(name)
            if name == "seed":
                self.count(value, f"{place}/{name}")
            else:
                self.that(isinstance(value, str), f"{place}/{name}", value, "a text")
        stages = self.object(cell.get("stages"), f"{place}/stages")
        self.that(all(isinstance(key, str) for key in stages.values()), f"{place}/stages", stages, "keys by kind")


def _number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf"))
