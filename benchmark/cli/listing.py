"""List what can be named: methods, policies, environments, presets, ablations."""

from __future__ import annotations

import argparse

from benchmark.cli import flags


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("methods", "policies", "envs", "presets", "ablations"), help="what to list")
    flags.add_format(parser)


def run(options: argparse.Namespace) -> int:
    from benchmark.cli.components import LISTS
    from benchmark.cli.printing import print_rows

    print_rows(LISTS[options.what](), options.format)
    return 0
