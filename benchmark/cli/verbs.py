"""What each verb of the command line does. A docstring here is that verb's help."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark import conformance, registry
from benchmark.cli.listing import LISTS
from benchmark.core.errors import BenchmarkError, UnknownName
from benchmark.core.progress import Reporter, duration, size
from benchmark.launch.local import Runner
from benchmark.models import weights
from benchmark.planning.config.compose import as_params
from benchmark.planning.estimates import Estimate, estimate
from benchmark.planning.graph import Plan, Request, make_plan
from benchmark.planning.history import last, remember
from benchmark.report.inputs import TableInputs
from benchmark.report.render import render
from benchmark.report.tables import build
from benchmark.results.bundle import Results, gather, merged
from benchmark.results.export import export, load
from benchmark.results.gather import collect
from benchmark.results.options import Options
from benchmark.results.view import ResultsView
from benchmark.storage.artifacts import KINDS, Store, write_text

NEED_NO_RESULTS = ("real", "experts")


def run(options: argparse.Namespace) -> int:
    """Run every cell of the matrix, then print the table: environments side by side, or policies where there are several.

    Cells that exist already are not computed again: the same command continues an interrupted run, and a larger
    matrix adds only what is new. Rows that cannot run here become a dash with the reason.
    """
    request = _request(options)
    plan = make_plan(request)
    store, reporter = Store(options.home).prepare(), Reporter(options.quiet)
    _announce(plan, store, reporter)
    remember(store, request)
    config = next(iter(plan.configs.values()))
    runner = Runner(store, reporter, config.machine, config.rollout.timeout)
    failed = runner.run(plan)
    if options.videos:
        from benchmark.launch.videos import video_cells

        video_cells(plan, runner, options.videos, store.root / "videos")
    view = ResultsView(Results(*collect(plan, store)))
    several = len(view.policies) > 1
    tables = [("policies", Options(env=env)) for env in plan.configs] if several else [("main", Options())]
    for name, choices in tables:
        print(render(build(name, TableInputs(choices, [view])), "text", terminal=sys.stdout.isatty()))
    return 1 if failed else 0


def plan(options: argparse.Namespace) -> int:
    """Show what would run: cells, stages they share, what is cached, time and disk."""
    made = make_plan(_request(options))
    store = Store(options.home)
    estimates = estimate(made.stages, store)
    stages = [{**asdict(stage), "cached": store.has(stage.kind, key)} for key, stage in made.stages.items()]
    if options.format == "json":
        print(json.dumps({**made.to_json(), "stages": stages, "estimate": asdict(_total(estimates))}, indent=1))
        return 0
    for kind in KINDS:
        of_kind = [s for s in stages if s["kind"] == kind]
        if of_kind:
            print(f"{kind}: {len(of_kind)} ({sum(s['cached'] for s in of_kind)} cached)")
        for stage in of_kind:
            users = sum(stage["key"] in cell.stages.values() for cell in made.cells)
            cost = "cached" if stage["cached"] else f"about {duration(estimates[stage['key']].seconds)}"
            print(f"  {stage['key'][:10]}  {stage['label']:<56} {cost}, feeds {users} cell{'s' * (users != 1)}")
    for (method, env), reason in _missing(made).items():
        print(f"missing: {method} on {env}: {reason}")
    print(_summary(made, estimates))
    return 0


def table(options: argparse.Namespace) -> int:
    """Print a table, computed from per-episode records.

    Flags that name cells default to those of the last run. `--source published` prints the numbers of the DynaMo paper,
    `both` puts them side by side with a status.
    """
    shown = build(options.name, _inputs(options))
    print(render(shown, options.format, terminal=sys.stdout.isatty()))
    return 0


def _inputs(options: argparse.Namespace) -> TableInputs:
    """What the named table is made of."""
    choices = Options(**_choices(options))
    if options.name in NEED_NO_RESULTS or choices.source == "published":
        return TableInputs(choices, trials=_trials(options.trials) if options.trials else None)
    if options.name == "hyperparameters":
        plan = make_plan(_request(options, last(Store(options.home))))
        return TableInputs(choices, settings=_settings(plan), preset=plan.preset)
    if options.name == "budgets":
        parts = [_narrowed(load(folder), options) for folder in options.records or ()]
    else:
        parts = [_gathered(options) if options.name == "probes" else _collected(options)]
    return TableInputs(choices, [ResultsView(part) for part in parts])


def _trials(path: Path) -> pd.DataFrame:
    """A file that a person wrote: what is wrong with it is said with its name."""
    from benchmark.datasets.files import reading

    with reading(path):
        trials = pd.read_csv(path)
    try:
        build("real", TableInputs(trials=trials))
    except BenchmarkError as error:
        raise BenchmarkError(f"{path}: {error}") from error
    return trials


def power(options: argparse.Namespace) -> int:
    """Say how many episodes and seeds resolve a difference between two rows, from the variances of results that exist."""
    choices = Options(env=options.env, policy=options.policy, difference=options.difference)
    inputs = TableInputs(choices, [ResultsView(_collected(options))])
    print(render(build("power", inputs), options.format, terminal=sys.stdout.isatty()))
    return 0


def report(options: argparse.Namespace) -> int:
    """Write a report page: one HTML file with sortable results, figures, videos and where each number comes from.

    It needs no network and no server. Videos are those of `run --videos`.
    """
    from benchmark.cli.images import visualizations
    from benchmark.report.gallery import gallery, save
    from benchmark.report.images import images
    from benchmark.report.page import page
    from benchmark.report.videos import videos

    found = _gathered(options)
    sheets = [] if options.records else images(visualizations(Store(options.home), found.provenance))
    view = ResultsView(found)
    drawn = gallery(view, sheets)
    recorded = [] if options.records else videos(options.home / "videos", found.provenance)
    text = page(view, recorded, drawn)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    write_text(options.output, text)
    print(f"{options.output}: {size(len(text.encode()))}")
    for path in save(drawn[0], options.figures) if options.figures else []:
        print(path)
    return 0


def _collected(options: argparse.Namespace) -> Results:
    """Records and cells of those that are named, from `--records` or the store."""
    if options.records:
        return _recorded(options)
    store = Store(options.home).prepare()
    return Results(*collect(make_plan(_request(options, last(store))), store))


def _gathered(options: argparse.Namespace) -> Results:
    """The same with curves, spectra and provenance."""
    if options.records:
        return _recorded(options)
    store = Store(options.home).prepare()
    request = _request(options, last(store))
    return gather(make_plan(request), store, request)


def _recorded(options: argparse.Namespace) -> Results:
    parts = {str(folder): load(folder) for folder in options.records}
    return _narrowed(merged(parts) if len(parts) > 1 else parts[str(options.records[0])], options)


def _narrowed(found: Results, options: argparse.Namespace) -> Results:
    if options.overrides:
        raise BenchmarkError(f"{options.overrides[0]}: records were made with their own settings; --records takes none")
    return found.only(options.methods, options.envs, options.policies, _seeds(options), options.preset)


def _seeds(options: argparse.Namespace) -> range | None:
    """The training seeds that flags name among recorded ones."""
    if options.seeds is None and options.first_seed is None:
        return None
    first = options.first_seed or 0
    return range(first, sys.maxsize if options.seeds is None else first + options.seeds)


def _settings(plan: Plan) -> dict[str, dict[str, Any]]:
    """Column -> setting -> value, for the table of hyperparameters."""
    columns: dict[str, dict[str, Any]] = {}
    for env, config in plan.configs.items():
        where = f" ({env})" if len(plan.configs) > 1 else ""
        for group in (config.method, config.policy):
            columns |= {f"{name}{where}": as_params(values) for name, values in group.items()}
    return columns


def _choices(options: argparse.Namespace) -> dict[str, Any]:
    """The choices of a table that were made."""
    names = ("source", "env", "policy", "method", "reference", "statistic", "metric", "holm")
    return {name: value for name in names if (value := getattr(options, name)) is not None}


def list_components(options: argparse.Namespace) -> int:
    """List what can be named: methods, policies, environments, presets, ablations."""
    rows = LISTS[options.what]()
    if options.format == "json":
        print(json.dumps(rows, indent=1))
        return 0
    _print_rows(rows)
    return 0


def check(options: argparse.Namespace) -> int:
    """Run the conformance suite on one method, policy or environment."""
    name = options.name
    kinds: dict[str, registry.Registry[Any]] = {
        "method": registry.methods(),
        "policy": registry.policies(),
        "environment": registry.envs(),
    }
    found = [(kind, r.get(name)) for kind, r in kinds.items() if name in r.names()]
    if not found:
        raise UnknownName("component", name, [n for r in kinds.values() for n in r.names()])
    passed = True
    for kind, cls in found:
        for result in conformance.check(cls):
            passed &= result.error is None
            print(f"{'ok    ' if result.error is None else 'FAILED'}  {kind} {name}: {result.promise}")
            if result.error is not None:
                print(f"        {result.error}")
    return 0 if passed else 1


def weights_list(options: argparse.Namespace) -> int:
    """Published weights: list what is known and what is here, fetch, verify."""
    rows = weights.list_weights()
    if options.format == "json":
        print(json.dumps(rows, indent=1))
    else:
        _print_rows(rows)
    return 0


def weights_fetch(options: argparse.Namespace) -> int:
    """Download the weights of a method from their official place, check them, and put them where they are looked for."""
    with Reporter(options.quiet).task(f"fetch {options.name}") as task:
        print(weights.fetch(options.name, task.update))
    return 0


def weights_verify(options: argparse.Namespace) -> int:
    """Check the weights of a method against their checksum and the network they are for."""
    print(weights.verify(options.name))
    return 0


def results_export(options: argparse.Namespace) -> int:
    """Write the results of a matrix as CSV files small enough to commit; `--records` of other verbs reads them.

    Given such folders itself, it joins them: the results of several machines become one.
    """
    episodes = export(_gathered(options), options.folder)
    print(f"{episodes} episodes in {options.folder}")
    return 0


def doctor(options: argparse.Namespace) -> int:
    """Say what this machine can run, and what is missing with the command that fixes it."""
    import torch

    from benchmark.core.machine import provenance, resolve_device, resolve_precision

    facts = provenance()
    device = resolve_device("auto")
    print(f"processor  {facts['processor']}")
    precision, threads = resolve_precision("auto", device), torch.get_num_threads()
    print(f"device     {device} ({facts['gpu'] or 'no GPU'}), {precision}, {threads} threads")
    print("versions   " + ", ".join(f"{k} {v}" for k, v in facts["versions"].items()))
    existing = next(p for p in (options.home.absolute(), *options.home.absolute().parents) if p.exists())
    print(f"store      {options.home} ({size(shutil.disk_usage(existing).free)} free)")
    for row in [*LISTS["envs"](), *LISTS["methods"]()]:
        print(f"{'missing' if row['missing'] else 'ok':<10} {row['name']}" + (f": {row['missing']}" if row["missing"] else ""))
    return 0


def _print_rows(rows: list[dict[str, Any]]) -> None:
    """Aligned columns, without those that are empty everywhere."""
    columns = [name for name in rows[0] if any(row[name] for row in rows)] if rows else []
    widths = {name: min(60, max(len(name), *(len(str(row[name] or "")) for row in rows))) for name in columns}
    for row in [{name: name for name in columns}, *rows]:
        print("  ".join(str(row[name] or "").ljust(widths[name]) for name in columns).rstrip())


def _request(options: argparse.Namespace, before: Request | None = None) -> Request:
    """The matrix asked for; flags not given come from the one `before`."""
    base = before or Request()
    names = ("methods", "envs", "policies", "seeds", "preset", "first_seed")
    given = {name: value for name in names if (value := getattr(options, name)) is not None}
    if "seeds" in given:
        given.setdefault("first_seed", 0)  # `--seeds 3` is the same three seeds, whichever were asked for before
    return replace(base, **given, **({"overrides": options.overrides} if options.overrides else {}))


def _announce(plan: Plan, store: Store, reporter: Reporter) -> None:
    """Say what will happen, and stop here if the disk cannot hold it."""
    estimates = estimate(plan.stages, store)
    needed = _total(estimates).bytes
    free = shutil.disk_usage(store.root).free
    for (method, env), reason in _missing(plan).items():
        reporter.warn(f"{method} on {env} cannot run here: {reason}")
    reporter.say(f"{_summary(plan, estimates)} ({size(free)} free)")
    if needed > free:
        raise BenchmarkError(f"the plan needs about {size(needed)} of disk and {store.root} has {size(free)} free")


def _missing(plan: Plan) -> dict[tuple[str, str], str]:
    """Why rows cannot run here, once for all their seeds and policies."""
    return {(cell.method, cell.env): cell.missing for cell in plan.cells if cell.missing}


def _total(estimates: dict[str, Estimate]) -> Estimate:
    return Estimate(sum(e.seconds for e in estimates.values()), sum(e.bytes for e in estimates.values()))


def _summary(plan: Plan, estimates: dict[str, Estimate]) -> str:
    total, todo = _total(estimates), f"{len(estimates)} of {len(plan.stages)} stages to do"
    return f"{len(plan.cells)} cells, {todo}: about {duration(total.seconds)}, {size(total.bytes)} of disk"
