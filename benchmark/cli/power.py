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
    from benchmark.cli.selection import frames
    from benchmark.report.ledgers import power
    from benchmark.report.render import render
    from benchmark.results.view import Options

    choices = Options(env=options.env, policy=options.policy, difference=options.difference)
    print(render(power(*frames(options), choices), options.format, terminal=sys.stdout.isatty()))
    return 0
