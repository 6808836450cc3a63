"""Run every cell of the matrix, then print the table: environments side by side, or policies where there are several.

Cheap and telling rows run first, and their scores are shown while the others go on.
Stages that do not need each other run side by side in processes on this machine (docs/launchers.md: SLURM, Ray).
Cells that exist already are not computed again: the same command continues an interrupted run, and a larger
matrix adds only what is new. Rows that cannot run here become a dash with the reason.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmark.cli import flags

LAUNCHERS = ("local", "slurm", "ray")


def arguments(parser: argparse.ArgumentParser) -> None:
    flags.add_matrix(parser)
    parser.add_argument(
        "--save-config", type=Path, metavar="FILE", help="write the matrix and its settings for --config (yaml)"
    )
    parser.add_argument("--launcher", choices=LAUNCHERS, default="local", help=f"{', '.join(LAUNCHERS)} (default: local)")
    parser.add_argument("--fail-fast", action="store_true", help="stop at the first stage that fails, leave the rest undone")
    parser.add_argument("--watch", action="store_true", help="follow what slurm has in its queue; otherwise return at once")
    parser.add_argument("--dry-run", action="store_true", help="print what would be submitted, with resources or scripts")
    parser.add_argument(
        "--videos", type=flags.count, default=0, metavar="N", help="make videos of the first N episodes of each cell"
    )


def run(options: argparse.Namespace) -> int:
    from benchmark.simulation.workers import one_thread_each

    copied = one_thread_each()  # before the imports that follow
    from benchmark.cli.forecast import announce
    from benchmark.cli.selection import request
    from benchmark.cli.watch import make_observer, watching
    from benchmark.core.machine import set_threads
    from benchmark.core.progress import Reporter
    from benchmark.launch.base import execution_of
    from benchmark.launch.choose import described, make_launcher
    from benchmark.launch.execute import Executor
    from benchmark.launch.failures import description
    from benchmark.launch.trackers import require_tracker
    from benchmark.planning.config.files import write_request
    from benchmark.planning.history import remember
    from benchmark.planning.recipes import make_plan
    from benchmark.report.inputs import TableInputs
    from benchmark.report.render import render
    from benchmark.report.tables import build
    from benchmark.results.bundle import Results
    from benchmark.results.gather import collect
    from benchmark.results.offline import data_sets
    from benchmark.results.options import Options
    from benchmark.results.view import ResultsView
    from benchmark.storage.artifacts import Store

    wanted = request(options)
    plan = make_plan(wanted)
    require_tracker(next(iter(plan.configs.values())).tracker)
    store, reporter = Store(options.home).prepare(), Reporter(options.quiet)
    estimates = announce(plan, store, reporter, here=options.launcher == "local")
    if options.save_config:
        write_request(options.save_config, wanted)
    config = next(iter(plan.configs.values()))
    execution = execution_of(config)
    observer = make_observer(plan, store, estimates, reporter)
    executor = Executor(store, reporter, execution, observer)
    copied &= not options.dry_run
    launcher = make_launcher(options.launcher, plan, estimates, executor, fail_fast=options.fail_fast, copied=copied)
    if options.dry_run:
        print(described(launcher, launcher.jobs(plan, estimates)))
        return 0
    launcher.engine.ready()
    remember(store, wanted)
    set_threads(config.machine.threads)
    with watching(observer, reporter):
        result = launcher.run(plan, estimates, watch=options.watch or launcher.here)
    if options.videos:
        from benchmark.launch.videos import record_cells

        record_cells(plan, Executor(store, reporter, execution), options.videos, store.root / "videos")
    view = ResultsView(Results(*collect(plan, store)))
    several = len(view.policies) > 1
    tables = [("policies", Options(env=env)) for env in plan.configs] if several else [("main", Options())]
    tables += [("offline", Options(env=env)) for env in plan.configs if data_sets(view, env)]
    for name, choices in tables:
        print(render(build(name, TableInputs(choices, [view])), "text", terminal=sys.stdout.isatty()))
    if result.failures:
        Reporter().say(description(result.failures, store))
    return 1 if result.failed else 0
