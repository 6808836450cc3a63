"""The benchmark from Python: `import benchmark as bm`, then `bm.run(...)`. The words are those of the command line.

bm.run(methods=["random", "timm:resnet34@random"], envs=["pusht"], policies=["knn"], preset="smoke")
bm.results().scores
bm.load_encoder("random")
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

import pandas as pd

from benchmark import notebook, registry
from benchmark.contracts.method import Method
from benchmark.core.errors import BenchmarkError
from benchmark.core.home import at_home, home_of
from benchmark.core.machine import set_threads
from benchmark.core.progress import Reporter
from benchmark.launch.base import execution_of
from benchmark.launch.choose import make_launcher
from benchmark.launch.execute import Executor
from benchmark.planning.config.files import preset_shown, request_after
from benchmark.planning.estimates import estimate
from benchmark.planning.history import last, plan_begun, remember
from benchmark.planning.recipes import make_plan
from benchmark.planning.request import Request, seeds_named
from benchmark.results import encoders
from benchmark.results.bundle import Results
from benchmark.results.export import load
from benchmark.results.gather import collect
from benchmark.results.view import ResultsView
from benchmark.storage.artifacts import Store

if TYPE_CHECKING:
    from benchmark.contracts.encoder import Encoder
    from benchmark.contracts.environment import Environment
    from benchmark.contracts.policy import Policy
    from benchmark.models.agent import Agent

T = TypeVar("T")
P = ParamSpec("P")
R = TypeVar("R")
Names = str | Sequence[str]


def _at_its_home(function: Callable[P, R]) -> Callable[P, R]:
    """What a call's `home` names is the home of all that it does."""

    @wraps(function)
    def there(*args: P.args, **kwargs: P.kwargs) -> R:
        with at_home(cast("str | Path | None", kwargs.get("home"))):
            return function(*args, **kwargs)

    return there


@dataclass(frozen=True)
class Tables:
    """What a matrix gave, as DataFrames."""

    scores: pd.DataFrame  # a line per row, environment and policy, with its interval
    cells: pd.DataFrame  # a line per cell: its status, its budget, what was measured of its encoder
    records: pd.DataFrame  # a line per evaluation episode

    def _repr_html_(self) -> str:
        return self.scores.to_html(index=False)


@_at_its_home
def run(
    methods: Names | None = None,
    envs: Names | None = None,
    policies: Names | None = None,
    *,
    seeds: int | None = None,
    first_seed: int | None = None,
    preset: str | None = None,
    overrides: Sequence[str] = (),
    home: str | Path | None = None,
    quiet: bool = False,
) -> Tables:
    """Run every cell of the matrix, as `python -m benchmark run` does; what exists is not computed again. Cells that failed or
    cannot run here say so in `cells.status` and `cells.reason`."""
    request = _request(Request(), methods, envs, policies, seeds, first_seed, preset, overrides)
    made, store, reporter = make_plan(request), Store(home_of(home)).prepare(), Reporter(quiet)
    remember(store, request)
    config = next(iter(made.configs.values()))
    set_threads(config.machine.threads)
    estimates, executor = estimate(made.stages, store), Executor(store, reporter, execution_of(config))
    make_launcher("local", made, estimates, executor, fail_fast=False).run(made, estimates)
    return _tables(Results(*collect(made, store)))


@_at_its_home
def plan(
    methods: Names | None = None,
    envs: Names | None = None,
    policies: Names | None = None,
    *,
    seeds: int | None = None,
    first_seed: int | None = None,
    preset: str | None = None,
    overrides: Sequence[str] = (),
    home: str | Path | None = None,
) -> pd.DataFrame:
    """What `run` would do: a line per stage, with whether it is stored and about how many seconds it takes. Runs nothing."""
    request = _request(Request(), methods, envs, policies, seeds, first_seed, preset, overrides)
    made, store = make_plan(request), Store(home_of(home))
    costs = estimate(made.stages, store)
    lines = [
        {
            "kind": stage.kind,
            "label": stage.label,
            "key": key,
            "stored": key not in costs,
            "seconds": costs[key].seconds if key in costs else 0.0,
            "cells": sum(key in cell.stages.values() for cell in made.cells),
        }
        for key, stage in made.stages.items()
    ]
    return pd.DataFrame(lines, columns=["kind", "label", "key", "stored", "seconds", "cells"])


@_at_its_home
def results(
    methods: Names | None = None,
    envs: Names | None = None,
    policies: Names | None = None,
    *,
    seeds: int | None = None,
    first_seed: int | None = None,
    preset: str | None = None,
    overrides: Sequence[str] = (),
    records: str | Path | None = None,
    home: str | Path | None = None,
) -> Tables:
    """What a store holds of a matrix, that of the last run where nothing else is named; or exported `records`."""
    if records is not None:
        if overrides:
            raise BenchmarkError("records were made with their own settings; they take no overrides")
        rows, places, heads = map(_names, (methods, envs, policies))
        shown = preset and preset_shown(preset)
        return _tables(load(Path(records)).only(rows, places, heads, seeds_named(seeds, first_seed), shown))
    store = Store(home_of(home))
    request = _request(last(store) or Request(), methods, envs, policies, seeds, first_seed, preset, overrides)
    return _tables(Results(*collect(plan_begun(request, store), store)))


@_at_its_home
def load_encoder(
    row: str,
    *,
    env: str | None = None,
    policy: str | None = None,
    seed: int | None = None,
    home: str | Path | None = None,
) -> Encoder:
    """The trained encoder of a row of the last run, frozen: frames (N, 3, H, W), uint8, in, features out."""
    store = Store(home_of(home))
    made = make_plan(last(store) or Request())
    return encoders.encoder_of(made, store, encoders.choose(made, store, row, env, policy, seed))


@_at_its_home
def export_encoder(
    row: str,
    folder: str | Path,
    *,
    env: str | None = None,
    policy: str | None = None,
    seed: int | None = None,
    home: str | Path | None = None,
) -> list[str]:
    """Write the trained encoder of a row of the last run for others, as `results export-encoder` does; returns the lines that
    load it without this package."""
    store = Store(home_of(home))
    made = make_plan(last(store) or Request())
    return list(encoders.export_encoder(made, store, encoders.choose(made, store, row, env, policy, seed), Path(folder)))


def load_policy(folder: str | Path) -> tuple[Encoder, Agent]:
    """The encoder and the agent of a policy that `results export-policy` or `hub pull` wrote."""
    return encoders.load_policy(Path(folder))


def register_method(cls: type[Method], home: str | Path | None = None) -> type[Method]:
    """Make a row of a class. One that was written in a notebook is saved as a file of the store first, with what it uses of the
    other cells, and that file is what runs: the key of its results is made of it. Works as a decorator."""
    return _register(registry.methods(), cls, home)


def register_policy(cls: type[Policy], home: str | Path | None = None) -> type[Policy]:
    """The same for a policy."""
    return _register(registry.policies(), cls, home)


def register_env(cls: type[Environment], home: str | Path | None = None) -> type[Environment]:
    """The same for an environment."""
    return _register(registry.envs(), cls, home)


def _register(known: registry.Registry[T], cls: Any, home: str | Path | None) -> type[T]:
    if cls.__module__ == "__main__" and notebook.without_file():
        cls = notebook.save(cls, Store(home_of(home)).prepare().root / "notebook")
    name = getattr(cls, "name", "")
    if name in known.names() and known.where(name).startswith(notebook.PREFIX):  # an earlier text of the same cell
        known.remove(name)
    return known.add(cls)


def _request(base: Request, methods: Names | None, envs: Names | None, policies: Names | None, *others: Any) -> Request:
    names = ("methods", "envs", "policies", "seeds", "first_seed", "preset", "overrides")
    given = dict(zip(names, (*map(_names, (methods, envs, policies)), *others), strict=True))
    if given["overrides"] == ():  # the default; an empty list asks for none
        given["overrides"] = None
    return request_after(base, given)


def _names(names: Names | None) -> list[str] | None:
    return None if names is None else [name.strip() for name in (names.split(",") if isinstance(names, str) else names)]


def _tables(held: Results) -> Tables:
    view = ResultsView(held)
    lines = [
        {"row": str(row), **score}
        for column in view.columns
        for row in view.rows
        if (score := encoders.score_of(view, column, row)) is not None
    ]
    names = ["row", "env", "policy", "metric", "estimate", "low", "high", "covers", "level", "seeds", "episodes"]
    return Tables(pd.DataFrame(lines, columns=names), held.cells, held.records)
