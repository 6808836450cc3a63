"""Say how many episodes and seeds resolve a difference between two rows, from the variances of results that exist."""

from __future__ import annotations

import argparse
import sys

from benchmark.cli import flags


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--difference", type=float, help="the difference between two rows that has to be found")
    flags.add_column(parser)
    flags.add_format(parser, flags.TABLE_FORMATS)
    flags.add_records(parser)


def run(options: argparse.Namespace) -> int:
    from benchmark.cli.selection import scores
    from benchmark.report.inputs import TableInputs
    from benchmark.report.render import render
    from benchmark.report.tables import build
    from benchmark.results.options import Options
    from benchmark.results.view import ResultsView

    choices = Options(env=options.env, policy=options.policy, difference=options.difference)
    inputs = TableInputs(choices, [ResultsView(scores(options))])
    print(render(build("power", inputs), options.format, terminal=sys.stdout.isatty()))
    return 0
