"""From the flags that name cells to a request, and to the results of those cells. Imported by verbs when they run."""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import replace

from benchmark.core.errors import BenchmarkError
from benchmark.planning.config.files import preset_named, read_request
from benchmark.planning.graph import Plan
from benchmark.planning.history import last
from benchmark.planning.recipes import make_plan
from benchmark.planning.request import Request, base_preset
from benchmark.results.bundle import Results, by_settings, gather, merged
from benchmark.results.export import load
from benchmark.results.gather import collect
from benchmark.storage.artifacts import Store


def request(options: argparse.Namespace, before: Request | None = None) -> Request:
    """The matrix that the flags name; flags not given come from `--config`, or from the one `before`."""
    base = read_request(options.config) if options.config else before or Request()
    names = ("methods", "envs", "policies", "seeds", "preset", "first_seed")
    given = {name: value for name in names if (value := getattr(options, name)) is not None}
    if "seeds" in given:
        given.setdefault("first_seed", 0)  # `--seeds 3` is the same three seeds, whichever were chosen before
    overrides = [*base.overrides, *options.overrides] if options.config else options.overrides or base.overrides
    if "preset" in given:
        given["preset"], own = preset_named(given["preset"])
        overrides = [*own, *overrides]
    return replace(base, **given, overrides=overrides)


def plan_of_last(options: argparse.Namespace, store: Store) -> Plan:
    return make_plan(request(options, last(store)))


def scores(options: argparse.Namespace) -> Results:
    """Records and cells of those that are named, from `--records` or the store."""
    if options.records:
        return _exported(options)
    store = Store(options.home)
    wanted = request(options, last(store))
    return Results(*collect(_begun(wanted, store), store))


def results(options: argparse.Namespace) -> Results:
    """The same with curves, spectra and provenance."""
    if options.records:
        return _exported(options)
    store = Store(options.home)
    wanted = request(options, last(store))
    return gather(_begun(wanted, store), store, wanted)


def _begun(wanted: Request, store: Store) -> Plan:
    """The plan of a request of which something has been run."""
    plan = make_plan(wanted)
    if plan.stages and not any(store.has(stage.kind, key) or store.failure(key) for key, stage in plan.stages.items()):
        raise BenchmarkError(
            f"nothing of this plan has been run in {store.root.absolute()}. Name another store with --home or "
            f"BENCHMARK_HOME, or run it: {command(wanted)}"
        )
    return plan


def command(wanted: Request) -> str:
    """What to type for a request."""
    plain, words = Request(), ["python", "-m", "benchmark", "run"]
    for name in ("methods", "envs", "policies"):
        if list(getattr(wanted, name)) != list(getattr(plain, name)):
            words += [f"--{name}", ",".join(getattr(wanted, name))]
    for name in ("seeds", "first_seed"):
        if getattr(wanted, name) != getattr(plain, name):
            words += [f"--{name.replace('_', '-')}", str(getattr(wanted, name))]
    if (preset := base_preset(wanted.preset)) != plain.preset:
        words += ["--preset", preset]
    return shlex.join([*words, *wanted.overrides])


def each_run(options: argparse.Namespace) -> list[Results]:
    """The exported results of each `--records`, apart."""
    return [_narrow(load(folder), options) for folder in options.records or ()]


def each_setting(options: argparse.Namespace) -> list[Results]:
    """The exported results of `--records`, those of the same settings together."""
    return [_narrow(part, options) for part in by_settings({str(folder): load(folder) for folder in options.records})]


def _exported(options: argparse.Namespace) -> Results:
    parts = {str(folder): load(folder) for folder in options.records}
    return _narrow(merged(parts) if len(parts) > 1 else parts[str(options.records[0])], options)


def _narrow(results: Results, options: argparse.Namespace) -> Results:
    if options.config:
        raise BenchmarkError("--config names a matrix to compute; --records holds one that was: leave one of them out")
    if options.overrides:
        raise BenchmarkError(f"{options.overrides[0]}: records were made with their own settings; --records takes none")
    return results.only(options.methods, options.envs, options.policies, _seeds(options), options.preset)


def _seeds(options: argparse.Namespace) -> range | None:
    """The training seeds that flags name among recorded ones."""
    if options.seeds is None and options.first_seed is None:
        return None
    first = options.first_seed or 0
    return range(first, sys.maxsize if options.seeds is None else first + options.seeds)
