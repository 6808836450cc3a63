"""Everything that a report shows, wherever it comes from: a store, or the folder of records that was exported from one."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from benchmark.core.errors import BenchmarkError, UnknownName
from benchmark.core.names import parse_row, plain_name, row_label
from benchmark.planning.graph import Plan, RunCell
from benchmark.planning.request import Request
from benchmark.results.gather import collect
from benchmark.storage.artifacts import Store
from benchmark.storage.columns import CURVES, ENCODER, IDENTITY, SPECTRA

POINTS = 50  # of a learning curve: what a figure can show and a repository can hold
UNKNOWN_RECIPE = "which recipe it was is not recorded"  # stands for the departures of earlier exports
OF_ENV = ("metric", "metric_low", "metric_high", "demonstrations", "starts", "goal", "checkpoint", "visual_shift")
ON_NO_KEY = (
    *("machine.", "resources.", "launch.", "slurm.", "ray.", "tracker="),
    *("rollout.timeout=", "pretrain.checkpoint_every="),
)
OF_COLUMN = re.compile(r"(env|split|embed|fit|policy|rollout|shift)\.")  # departures that all rows of a column share
AXES = 512  # of a spectrum, the first: all of a ResNet-18's pooled features, 97 % of the variance of patches of 11 520 numbers


@dataclass(frozen=True)
class Results:
    """Frames for tables and figures, and where each number comes from.

    `provenance` has the `request` that named the cells; `cells`, each with its stages (kind -> key); `stages` (key ->
    manifest); and under `provenance` the machines, versions and commits that the manifests refer to by number.
    """

    records: pd.DataFrame
    cells: pd.DataFrame
    curves: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=CURVES))
    spectra: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=SPECTRA))
    provenance: dict[str, Any] = field(default_factory=lambda: {"request": {}, "cells": [], "stages": {}, "provenance": []})

    def only(
        self,
        methods: Sequence[str] | None = None,
        envs: Sequence[str] | None = None,
        policies: Sequence[str] | None = None,
        seeds: range | None = None,
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
            there = sorted(set(cells.seed[kept]))
            kept &= np.array([seed in seeds for seed in cells.seed], bool)
            if there and not kept.any():
                raise BenchmarkError(f"these records hold training seeds {', '.join(map(str, there))}, none of those named")
        chosen = cells[kept]
        named = set(chosen[IDENTITY].itertuples(index=False, name=None))
        behind = [cell for cell in self.provenance["cells"] if tuple(cell[name] for name in IDENTITY) in named]
        stages = {key for cell in behind for key in cell["stages"].values()} & self.provenance["stages"].keys()
        return replace(
            self,
            provenance={**self.provenance, "cells": behind, "stages": {key: self.provenance["stages"][key] for key in stages}},
            records=among(self.records, chosen, IDENTITY),
            cells=chosen,
            curves=among(self.curves, chosen, ENCODER),
            spectra=among(self.spectra, chosen, ENCODER),
        )


def merged(parts: Mapping[str, Results]) -> Results:
    """Results of several runs as those of one; `parts` gives each a name to speak of it.

    Runs with other settings do not belong into one table, and a cell that two of them hold would count twice.
    """
    for (first, one), (name, other) in combinations(parts.items(), 2):
        if different := _different(one, other):
            raise BenchmarkError(f"{first} and {name} were made with other settings of {', '.join(different)}")
    requests = [part.provenance["request"] for part in parts.values()]
    cells = pd.concat([part.cells.assign(part=name) for name, part in parts.items()], ignore_index=True)
    done = cells[cells.status == "done"]
    for _, twice in done[done.duplicated(IDENTITY, keep=False)].groupby(IDENTITY):
        row = twice.iloc[0]
        where = f"{row_label(row.method, row.variant)} in {row.env} with {row.policy}, seed {row.seed}"
        raise BenchmarkError(
            f"{where}, is in {' and in '.join(twice.part)}: leave one of them out (results export --methods ...)"
        )
    cells = pd.concat([done, cells.drop(done.index)]).drop_duplicates(IDENTITY).sort_index()
    seeds = sorted(set(cells.seed))
    names = {n: list(dict.fromkeys(x for r in requests for x in r.get(n, ()))) for n in ("methods", "envs", "policies")}
    return Results(
        pd.concat([part.records for part in parts.values()], ignore_index=True),
        cells.drop(columns="part"),
        _once([part.curves for part in parts.values()], CURVES),
        _once([part.spectra for part in parts.values()], SPECTRA),
        {
            **_joined_provenance([part.provenance for part in parts.values()]),
            "request": {**requests[0], **names, "seeds": seeds[-1] + 1 - seeds[0], "first_seed": int(seeds[0])},
        },
    )


def by_settings(parts: Mapping[str, Results]) -> list[Results]:
    """Results of several runs, those of the same settings as those of one."""
    groups: list[dict[str, Results]] = []
    for name, part in parts.items():
        alike = (group for group in groups if not any(_different(other, part) for other in group.values()))
        if (group := next(alike, None)) is None:
            groups.append(group := {})
        group[name] = part
    return [merged(group) for group in groups]


def _different(one: Results, other: Results) -> list[str]:
    """Settings that two runs do not share: those that were asked for, or else those that the cells of both say, as other code
    has other defaults. What is not recorded differs from nothing."""
    ours, theirs = (_settings_of(part.provenance["request"]) for part in (one, other))
    if asked := dict(ours.items() ^ theirs.items()):
        return sorted(asked)
    different = []
    for (env,), *both in _in_both(one.cells, other.cells, ["env"]):
        different += [f"{name} in {env}" for name in OF_ENV if _contradict(*(_said(cells, name) for cells in both))]
    for (env, policy), *both in _in_both(one.cells, other.cells, ["env", "policy"]):
        said = [_said(cells, "departures") - {UNKNOWN_RECIPE} for cells in both]
        if all(said):
            names = {setting.partition("=")[0] for setting in _of_column(said[0]) ^ _of_column(said[1])}
            different += [f"{name} in {env} with {policy}" for name in sorted(names)]
    return different


def _in_both(one: pd.DataFrame, other: pd.DataFrame, by: list[str]) -> Iterator[tuple[Any, pd.DataFrame, pd.DataFrame]]:
    theirs = dict(iter(other.groupby(by)))
    return ((place, cells, theirs[place]) for place, cells in one.groupby(by) if place in theirs)


def _said(cells: pd.DataFrame, column: str) -> set[Any]:
    return set(cells[column].dropna()) if column in cells else set()


def _contradict(ours: set[Any], theirs: set[Any]) -> bool:
    return bool(ours and theirs and ours != theirs)


def _of_column(departures: Iterable[str]) -> set[str]:
    """`fit.steps=500`, whatever the paper has."""
    return {each.partition(" (paper: ")[0] for text in departures for each in text.split("; ") if OF_COLUMN.match(each)}


def _settings_of(request: Mapping[str, Any]) -> dict[str, str]:
    """What changes numbers: not which cells were asked for, nor where and how they ran."""
    settings = (*request.get("preset_settings", ()), *request.get("overrides", ()))
    told = dict(text.split("=", 1) for text in settings if not text.startswith(ON_NO_KEY))
    return {"preset": request.get("preset", ""), **told}


def _joined_provenance(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Stages by their keys, machines numbered anew."""
    machines: list[Any] = []
    stages: dict[str, Any] = {}
    for part in parts:
        machines += [machine for machine in part["provenance"] if machine not in machines]
        for key, manifest in part["stages"].items():
            stages[key] = {**manifest, "provenance": machines.index(part["provenance"][manifest["provenance"]])}
    return {"cells": [cell for part in parts for cell in part["cells"]], "stages": stages, "provenance": machines}


def _named(methods: Sequence[str], rows: Sequence[tuple[str, str]]) -> np.ndarray:
    found = np.zeros(len(rows), bool)
    for name in methods:
        method, variant = parse_row(name)
        here = np.array([method in ("all", m) and variant in ("all", v) for m, v in rows])
        if not here.any():
            raise UnknownName("method in these records", name, {row_label(m, v) for m, v in rows})
        found |= here
    return found


def _known(column: str, names: Sequence[str], present: Iterable[str]) -> Collection[str]:
    known = set(present)
    names = [name if name in known else plain_name(name) for name in names]
    for name in names:
        if name not in known | {"all"}:
            raise UnknownName(f"{column} in these records", name, known)
    return known if "all" in names else names


def among(frame: pd.DataFrame, cells: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """The rows of a frame that belong to one of the cells. There may be a million."""
    wanted = pd.MultiIndex.from_frame(cells[columns].drop_duplicates())
    return frame[wanted.get_indexer(pd.MultiIndex.from_frame(frame[columns])) >= 0]


def gather(plan: Plan, store: Store, request: Request) -> Results:
    """What a store holds of a plan."""
    records, cells = collect(plan, store)
    done = [cell for cell, status in zip(plan.cells, cells.status, strict=True) if status == "done"]
    encoders = {tuple(getattr(cell.id, name) for name in ENCODER): cell for cell in done}.values()
    curves = [_curve(cell, store) for cell in encoders]
    spectra = [_spectrum(cell, store) for cell in encoders]
    provenance = _provenance(done, store, request)
    return Results(records, cells, _joined(curves, CURVES), _joined(spectra, SPECTRA), provenance)


def _curve(cell: RunCell, store: Store) -> pd.DataFrame:
    """The loss of a pretraining; empty for an encoder that is not trained."""
    path = store.open("pretrain", cell.stages["pretrain"]) / "curves.csv"
    if not path.is_file():
        return pd.DataFrame(columns=CURVES)
    curve = pd.read_csv(path).dropna(subset="loss")
    curve = curve.iloc[np.unique(np.linspace(0, len(curve) - 1, POINTS).round().astype(int))]
    return _of(cell, {"step": curve.step, "name": "loss", "value": curve.loss})


def _spectrum(cell: RunCell, store: Store) -> pd.DataFrame:
    """Variances along the first principal axes; the probe keeps their roots."""
    deviations = np.loadtxt(store.open("probe", cell.stages["probe"]) / "spectrum.csv", ndmin=1, max_rows=AXES)
    return _of(cell, {"index": np.arange(1, len(deviations) + 1), "value": deviations**2})


def _of(cell: RunCell, columns: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame({**{name: getattr(cell.id, name) for name in ENCODER}, **columns})


def _joined(frames: Sequence[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    filled = [frame for frame in frames if not frame.empty]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=columns)


def _once(frames: Sequence[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    """Each encoder from the first part that holds it: others may have it under another policy."""
    joined = _joined([frame.assign(part=number) for number, frame in enumerate(frames)], [*columns, "part"])
    first = joined.groupby(ENCODER, dropna=False).part.transform("min")
    return joined[joined.part == first].drop(columns="part").reset_index(drop=True)


def _provenance(cells: Sequence[RunCell], store: Store, request: Request) -> dict[str, Any]:
    """Manifests once per stage, machines once per machine."""
    stages: dict[str, Any] = {}
    machines: list[Any] = []
    for cell in cells:
        for kind, key in cell.stages.items():
            if key not in stages and store.has(kind, key):
                manifest = store.manifest(kind, key).to_json()
                if manifest["provenance"] not in machines:
                    machines.append(manifest["provenance"])
                stages[key] = {**manifest, "provenance": machines.index(manifest["provenance"])}
    return {
        "request": asdict(request),
        "cells": [{**asdict(cell.id), "stages": cell.stages} for cell in cells],
        "stages": stages,
        "provenance": machines,
    }
