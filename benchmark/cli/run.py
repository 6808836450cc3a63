"""Run every cell of the matrix, then print the table: environments side by side, or policies where there are several.

Cheap and telling rows run first, and their scores are shown while the others go on.
Cells that exist already are not computed again: the same command continues an interrupted run, and a larger
matrix adds only what is new. Rows that cannot run here become a dash with the reason.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmark.cli import flags


def arguments(parser: argparse.ArgumentParser) -> None:
    flags.add_matrix(parser)
    parser.add_argument(
        "--save-config", type=Path, metavar="FILE", help="write the matrix and its settings for --config (yaml)"
    )
    parser.add_argument("--videos", type=int, default=0, metavar="N", help="make videos of the first N episodes of each cell")


def run(options: argparse.Namespace) -> int:
    from benchmark.cli.forecast import announce
    from benchmark.cli.selection import request
    from benchmark.cli.watch import watching
    from benchmark.core.machine import set_threads
    from benchmark.core.progress import Reporter
    from benchmark.launch.base import Launcher, execution_of
    from benchmark.launch.execute import Executor
    from benchmark.launch.local import LocalLauncher
    from benchmark.launch.trackers import require_tracker
    from benchmark.planning.config.files import write_request
    from benchmark.planning.history import remember
    from benchmark.planning.recipes import make_plan
    from benchmark.report.inputs import TableInputs
    from benchmark.report.render import render
    from benchmark.report.tables import build
    from benchmark.results.bundle import Results
    from benchmark.results.gather import collect
    from benchmark.results.options import Options
    from benchmark.results.view import ResultsView
    from benchmark.storage.artifacts import Store

    wanted = request(options)
    plan = make_plan(wanted)
    require_tracker(next(iter(plan.configs.values())).tracker)
    store, reporter = Store(options.home).prepare(), Reporter(options.quiet)
    estimates = announce(plan, store, reporter)
    remember(store, wanted)
    if options.save_config:
        write_request(options.save_config, wanted)
    config = next(iter(plan.configs.values()))
    set_threads(config.machine.threads)
    execution = execution_of(config)
    with watching(plan, store, estimates, reporter) as observer:
        launcher: Launcher = LocalLauncher(Executor(store, reporter, execution, observer))
        failed = launcher.run(plan, estimates)
    if options.videos:
        from benchmark.launch.videos import record_cells

        record_cells(plan, Executor(store, reporter, execution), options.videos, store.root / "videos")
    view = ResultsView(Results(*collect(plan, store)))
    several = len(view.policies) > 1
    tables = [("policies", Options(env=env)) for env in plan.configs] if several else [("main", Options())]
    for name, choices in tables:
        print(render(build(name, TableInputs(choices, [view])), "text", terminal=sys.stdout.isatty()))
    return 1 if failed else 0
