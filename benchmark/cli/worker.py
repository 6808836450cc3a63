"""Execute stages by their keys: what they build on has to be in the store.

`run` describes every stage that it has to do in the store; any process that sees the store can execute one of them. Keys are
those of `plan --format json`.
"""

from __future__ import annotations

import argparse

from benchmark.cli import flags


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("keys", nargs="+", metavar="KEY", help="stages, executed in this order")
    flags.add_home(parser)


def run(options: argparse.Namespace) -> int:
    from benchmark.core.progress import Reporter
    from benchmark.launch.base import published
    from benchmark.launch.execute import Executor, StageFailed
    from benchmark.storage.artifacts import Store

    store, reporter = Store(options.home).prepare(), Reporter(options.quiet)
    for key in options.keys:
        stage, execution = published(store, key)
        try:
            print(Executor(store, reporter, execution).execute(stage))
        except StageFailed:
            return 1
    return 0
