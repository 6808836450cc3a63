"""Everything that a report shows, wherever it comes from: a store, or the folder of records that was exported from one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from benchmark.errors import UnknownName
from benchmark.plan import Cell, Plan, Request, method_label
from benchmark.report.collect import IDENTITY, collect
from benchmark.report.pictures import Pictures
from benchmark.store import Store

ENCODER = ["env", "method", "variant", "seed"]
CURVES = [*ENCODER, "step", "name", "value"]
SPECTRA = [*ENCODER, "index", "value"]
POINTS = 50  # of a learning curve: what a figure can show and a repository can hold


@dataclass(frozen=True)
class Results:
    """Frames for tables and figures, and where each number comes from.

    `provenance` has the `request` that named the cells; `cells`, each with its stages (kind -> key); `stages` (key ->
    manifest); and under `provenance` the machines, versions and commits that the manifests refer to by number.
    """

    records: pd.DataFrame
    cells: pd.DataFrame
    curves: pd.DataFrame
    spectra: pd.DataFrame
    provenance: dict[str, Any]
    pictures: Sequence[Pictures] = ()  # need frames and encoders, so only a store has them

    def only(
        self,
        methods: Sequence[str] | None = None,
        envs: Sequence[str] | None = None,
        policies: Sequence[str] | None = None,
        seeds: int | None = None,
        preset: str | None = None,
    ) -> Results:
        """The cells that are named as on the command line; None stands for all."""
        cells = self.cells
        kept = pd.Series(True, index=cells.index)
        if methods is not None:
            kept &= _named(methods, list(zip(cells.method, cells.variant, strict=True)))
        for column, names in (("env", envs), ("policy", policies), ("preset", None if preset is None else [preset])):
            if names is not None:
                kept &= cells[column].isin(_known(column, names, cells[column]))
        if seeds is not None:
            kept &= cells.seed < seeds
        chosen = cells[kept]
        return replace(
            self,
            records=_among(self.records, chosen, IDENTITY),
            cells=chosen,
            curves=_among(self.curves, chosen, ENCODER),
            spectra=_among(self.spectra, chosen, ENCODER),
        )


def _named(methods: Sequence[str], rows: Sequence[tuple[str, str]]) -> np.ndarray:
    found = np.zeros(len(rows), bool)
    for name in methods:
        method, _, variant = name.partition(":")
        here = np.array([method in ("all", m) and variant in ("all", v) for m, v in rows])
        if not here.any():
            raise UnknownName("method in these records", name, {method_label(m, v) for m, v in rows})
        found |= here
    return found


def _known(column: str, names: Sequence[str], present: Iterable[str]) -> Collection[str]:
    known = set(present)
    for name in names:
        if name not in known | {"all"}:
            raise UnknownName(f"{column} in these records", name, known)
    return known if "all" in names else names


def _among(frame: pd.DataFrame, cells: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """The rows of a frame that belong to one of the cells."""
    wanted = set(cells[columns].itertuples(index=False, name=None))
    return frame[np.array([row in wanted for row in frame[columns].itertuples(index=False, name=None)], bool)]


def gather(plan: Plan, store: Store, request: Request) -> Results:
    """What a store holds of a plan."""
    records, cells = collect(plan, store)
    done = [cell for cell, status in zip(plan.cells, cells.status, strict=True) if status == "done"]
    encoders = {(cell.env, cell.method, cell.variant, cell.seed): cell for cell in done}.values()
    curves = [_curve(cell, store) for cell in encoders]
    spectra = [_spectrum(cell, store) for cell in encoders]
    provenance = _provenance(done, store, request)
    return Results(records, cells, _joined(curves, CURVES), _joined(spectra, SPECTRA), provenance)


def _curve(cell: Cell, store: Store) -> pd.DataFrame:
    """The loss of a pretraining; empty for an encoder that is not trained."""
    path = store.open("pretrain", cell.stages["pretrain"]) / "curves.csv"
    if not path.is_file():
        return pd.DataFrame(columns=CURVES)
    curve = pd.read_csv(path).dropna(subset="loss")
    curve = curve.iloc[np.unique(np.linspace(0, len(curve) - 1, POINTS).round().astype(int))]
    return _of(cell, {"step": curve.step, "name": "loss", "value": curve.loss})


def _spectrum(cell: Cell, store: Store) -> pd.DataFrame:
    """Variances along the principal axes; the probe keeps their roots."""
    deviations = np.loadtxt(store.open("probe", cell.stages["probe"]) / "spectrum.csv", ndmin=1)
    return _of(cell, {"index": np.arange(1, len(deviations) + 1), "value": deviations**2})


def _of(cell: Cell, columns: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame({**{name: getattr(cell, name) for name in ENCODER}, **columns})


def _joined(frames: Sequence[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    filled = [frame for frame in frames if not frame.empty]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=columns)


def _provenance(cells: Sequence[Cell], store: Store, request: Request) -> dict[str, Any]:
    """Manifests once per stage, machines once per machine."""
    stages: dict[str, Any] = {}
    machines: list[Any] = []
    for cell in cells:
        for kind, key in cell.stages.items():
            if key not in stages and store.has(kind, key):
                manifest = store.manifest(kind, key)
                if manifest["provenance"] not in machines:
                    machines.append(manifest["provenance"])
                stages[key] = {**manifest, "provenance": machines.index(manifest["provenance"])}
    return {
        "request": asdict(request),
        "cells": [{**{name: getattr(cell, name) for name in IDENTITY}, "stages": cell.stages} for cell in cells],
        "stages": stages,
        "provenance": machines,
    }
