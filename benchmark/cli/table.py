"""Print a table, computed from per-episode records.

Flags that name cells default to those of the last run. `--source published` prints the numbers of the DynaMo paper,
`both` puts them side by side with a status. `resolution` says which settings can tell encoders apart at all, `gaps` how far our
scores are from the paper's and why; their records may be of several settings, e.g. of an environment each.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.cli import flags
from benchmark.core.errors import BenchmarkError, suggest
from benchmark.core.names import plain_name
from benchmark.report.tables import names

if TYPE_CHECKING:
    import pandas as pd

    from benchmark.planning.graph import Plan
    from benchmark.report.inputs import TableInputs
    from benchmark.results.view import ResultsView

NEED_NO_RESULTS = ("real", "experts")
OF_A_METHOD = ("ablations", "actions", "finetune")
CHOICES = {  # that a table may have no use for, and what to say instead
    "env": "; --envs says of which cells it is",
    "policy": "; --policies says of which cells it is",
    "method": "; --methods says of which cells it is",
    "reference": "",
    "holm": "",
}
OF_SETTINGS = ("resolution", "gaps")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", choices=names(), help="which table")
    parser.add_argument("--source", choices=("ours", "published", "both"), default="ours", help="whose numbers (default: ours)")
    flags.add_column(parser)
    parser.add_argument("--method", help="whose ablations, fine-tuning or true-action variants (default: the paper's)")
    parser.add_argument("--reference", help="what `compare` compares with (default: the floor)")
    parser.add_argument("--statistic", choices=("mean", "iqm"), help="mean (default) or interquartile mean")
    parser.add_argument("--metric", help="another column of the records, e.g. metric/tasks_raw")
    parser.add_argument("--holm", action="store_true", help="correct the p-values of `compare` for their number")
    parser.add_argument("--trials", type=Path, metavar="CSV", help="real trials (method, task, successes, trials) for `real`")
    flags.add_format(parser, flags.TABLE_FORMATS)
    flags.add_records(parser)


def run(options: argparse.Namespace) -> int:
    from benchmark.cli.choices import noted
    from benchmark.report.render import render
    from benchmark.report.tables import build

    if options.trials and options.name != "real":
        raise BenchmarkError(f"the table {options.name} is not made of --trials; `table real` is")
    inputs = _inputs(options)
    table = build(options.name, inputs)
    _refuse_unread(options, noted(inputs.options))
    print(render(table, options.format, terminal=sys.stdout.isatty()))
    return 0


def _inputs(options: argparse.Namespace) -> TableInputs:
    """What the named table is made of."""
    from benchmark.cli import selection
    from benchmark.cli.choices import NotedOptions
    from benchmark.report.inputs import TableInputs
    from benchmark.report.tables import require_printed
    from benchmark.results.published import main_method
    from benchmark.results.view import ResultsView
    from benchmark.storage.artifacts import Store

    choices = NotedOptions(**_choices(options))
    require_printed(options.name, choices.source)
    if options.name in NEED_NO_RESULTS or choices.source == "published":
        return TableInputs(choices, trials=_trials(options.trials) if options.trials else None)
    if options.name == "hyperparameters":
        plan = selection.plan_of_last(options, Store(options.home))
        return TableInputs(choices, settings=_settings(plan), preset=plan.preset)
    if options.name == "budgets":
        parts = selection.each_run(options)
    elif options.name in OF_SETTINGS and options.records:
        parts = selection.each_setting(options)
    else:
        parts = [selection.results(options) if options.name == "probes" else selection.scores(options)]
    views = [ResultsView(part) for part in parts]
    if options.name in OF_A_METHOD:
        _require_method(views[0], plain_name(options.method or main_method()))
    return TableInputs(choices, views)


def _refuse_unread(options: argparse.Namespace, read: set[str]) -> None:
    """A choice that the table did not look at was a mistake."""
    for name, advice in CHOICES.items():
        if getattr(options, name) and name not in read:
            raise BenchmarkError(f"the table {options.name} does not look at --{name}{advice}")


def _require_method(view: ResultsView, method: str) -> None:
    if method not in (present := {row.method for row in view.rows}):
        raise BenchmarkError(
            f"this table is of one method, {method}, and no cell is of it{suggest(method, present)} Choose another with "
            f"--method: {', '.join(sorted(present))}"
        )


def _trials(path: Path) -> pd.DataFrame:
    """A file that a person wrote: what is wrong with it is said with its name."""
    from benchmark.report.inputs import TableInputs
    from benchmark.report.tables import build
    from benchmark.results.csv_files import read_texts

    trials = read_texts(path).frame()
    try:
        build("real", TableInputs(trials=trials))
    except BenchmarkError as error:
        raise BenchmarkError(f"{path}: {error}") from error
    return trials


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
