"""Print a table, computed from per-episode records.

Flags that name cells default to those of the last run. `--source published` prints the numbers of the DynaMo paper,
`both` puts them side by side with a status.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.cli import flags
from benchmark.core.errors import BenchmarkError

if TYPE_CHECKING:
    from benchmark.planning.graph import Plan
    from benchmark.report.table import Table

OF_SCORES = ("main", "policies", "finetune", "ablations", "actions", "budget", "tasks", "compare")  # report.tables.TABLES
NAMES = (*OF_SCORES, "probes", "budgets", "real", "hyperparameters")  # written out so that help imports no table


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", choices=NAMES, help="which table")
    parser.add_argument("--source", choices=("ours", "published", "both"), default="ours", help="whose numbers (default: ours)")
    flags.add_column(parser)
    parser.add_argument("--method", help="whose ablations, fine-tuning or true-action variants (default: dynamo)")
    parser.add_argument("--reference", help="what `compare` compares with (default: random)")
    parser.add_argument("--statistic", choices=("mean", "iqm"), help="mean (default) or interquartile mean")
    parser.add_argument("--metric", help="another column of the records, e.g. metric/tasks_raw")
    parser.add_argument("--holm", action="store_true", help="correct the p-values of `compare` for their number")
    parser.add_argument("--trials", type=Path, metavar="CSV", help="real trials (method, task, successes, trials) for `real`")
    flags.add_format(parser, flags.TABLE_FORMATS)
    flags.add_records(parser)


def run(options: argparse.Namespace) -> int:
    from benchmark.report.render import render

    print(render(_table(options), options.format, terminal=sys.stdout.isatty()))
    return 0


def _table(options: argparse.Namespace) -> Table:
    from benchmark.cli import selection
    from benchmark.report import ledgers
    from benchmark.report.budgets import budgets
    from benchmark.report.probes import probes
    from benchmark.report.tables import build
    from benchmark.results import published
    from benchmark.results.view import Options
    from benchmark.storage.artifacts import Store

    if options.source != "ours" and options.name not in published.TABLES:
        raise BenchmarkError(
            f"the paper prints no table '{options.name}' (but {', '.join(published.TABLES)}): leave --source out"
        )
    if options.name == "real":
        return _trials(options.trials) if options.trials else ledgers.real(published.trials(2, 3))
    if options.source == "published":
        return published.published_table(options.name)
    if options.name == "hyperparameters":
        plan = selection.plan_of_last(options, Store(options.home))
        return ledgers.hyperparameters(_settings(plan), f"Settings of the preset {plan.preset}.")
    if options.name == "budgets":
        parts = [(results.records, results.cells) for results in selection.each_run(options)]
        return budgets(parts, Options(**_choices(options)))
    if options.name == "probes":
        return probes(selection.results(options), Options(**_choices(options)))
    return build(options.name, *selection.frames(options), **_choices(options))


def _trials(path: Path) -> Table:
    import pandas as pd

    from benchmark.datasets.files import reading
    from benchmark.report.ledgers import real

    with reading(path):
        trials = pd.read_csv(path)
    try:
        return real(trials)
    except BenchmarkError as error:
        raise BenchmarkError(f"{path}: {error}") from error


def _settings(plan: Plan) -> dict[str, dict[str, Any]]:
    """Column -> setting -> value, for the table of hyperparameters."""
    from benchmark.core.typed import to_json

    columns: dict[str, dict[str, Any]] = {}
    for env, config in plan.configs.items():
        where = f" ({env})" if len(plan.configs) > 1 else ""
        for group in (config.method, config.policy):
            columns |= {f"{name}{where}": to_json(values) for name, values in group.items()}
    return columns


def _choices(options: argparse.Namespace) -> dict[str, Any]:
    """The choices of a table that were made."""
    names = ("source", "env", "policy", "method", "reference", "statistic", "metric", "holm")
    return {name: value for name in names if (value := getattr(options, name)) is not None}
