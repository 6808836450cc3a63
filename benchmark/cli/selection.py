"""From the flags that name cells to a request, and to the results of those cells. Imported by verbs when they run."""

from __future__ import annotations

import argparse

from benchmark.core.errors import BenchmarkError
from benchmark.planning.config.files import preset_shown, read_request, request_after
from benchmark.planning.graph import Plan
from benchmark.planning.history import last, plan_begun
from benchmark.planning.recipes import make_plan
from benchmark.planning.request import Request, seeds_named
from benchmark.results.bundle import Results, by_settings, gather, merged
from benchmark.results.export import load
from benchmark.results.gather import collect
from benchmark.storage.artifacts import Store


def request(options: argparse.Namespace, before: Request | None = None) -> Request:
    """The matrix that the flags name; flags not given come from `--config`, or from the one `before`."""
    names = ("methods", "envs", "policies", "seeds", "first_seed", "preset")
    given = {name: getattr(options, name) for name in names}
    if options.config:
        base = read_request(options.config)
        return request_after(base, {**given, "overrides": [*base.overrides, *options.overrides]})
    return request_after(before or Request(), {**given, "overrides": options.overrides or None})


def plan_of_last(options: argparse.Namespace, store: Store) -> Plan:
    return make_plan(request(options, last(store)))


def scores(options: argparse.Namespace) -> Results:
    """Records and cells of those that are named, from `--records` or the store."""
    if options.records:
        return _exported(options)
    store = Store(options.home)
    wanted = request(options, last(store))
    return Results(*collect(plan_begun(wanted, store), store))


def results(options: argparse.Namespace) -> Results:
    """The same with curves, spectra and provenance."""
    if options.records:
        return _exported(options)
    store = Store(options.home)
    wanted = request(options, last(store))
    return gather(plan_begun(wanted, store), store, wanted)


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
    seeds, preset = seeds_named(options.seeds, options.first_seed), options.preset and preset_shown(options.preset)
    return results.only(options.methods, options.envs, options.policies, seeds, preset)
