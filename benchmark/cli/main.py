"""The verbs. Parsing and printing; every verb calls one function elsewhere."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmark.core.errors import BenchmarkError

EXAMPLES = """examples:
  python -m benchmark run --methods all --envs kitchen
  python -m benchmark run --methods random,dynamo,dynamo:no_forward --envs kitchen --policies mlp,knn --seeds 3
  python -m benchmark run --methods dynamo --envs kitchen method.dynamo.latent_dim=32 pretrain.epochs=4
  python -m benchmark plan --methods all --envs kitchen --seeds 3 --policies mlp,knn
  python -m benchmark table main --format latex
  python -m benchmark report --output report.html --figures figures
  python -m benchmark power --difference 0.3
  python -m benchmark list methods
  python -m benchmark data make kitchen --episodes 50
  python -m benchmark data import my_recordings --name mine
  python -m benchmark check dynamo
"""


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    try:
        with _home(getattr(options, "home", None)):
            return options.verb_function(options)
    except BenchmarkError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        print("\ninterrupted; run the same command again and it goes on from here", file=sys.stderr)
        return 130


@contextmanager
def _home(path: Path | None) -> Iterator[None]:
    """What `--home` names is the home of everything that a verb does: recordings are looked up there, too."""
    before = os.environ.get("BENCHMARK_HOME")
    if path is not None:
        os.environ["BENCHMARK_HOME"] = str(path)
    try:
        yield
    finally:
        if path is not None:
            os.environ.pop("BENCHMARK_HOME")
            os.environ |= {} if before is None else {"BENCHMARK_HOME": before}


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Overrides may stand anywhere: argparse alone takes positional arguments in one place only."""
    top = parser()
    options, rest = top.parse_known_args(arguments)
    overrides = [text for text in rest if "=" in text and not text.startswith("-")]
    if len(overrides) < len(rest) or (rest and not hasattr(options, "overrides")):
        top.error(f"unrecognized arguments: {' '.join(text for text in rest if text not in overrides) or ' '.join(rest)}")
    if overrides:
        options.overrides = [*options.overrides, *overrides]
    return options


def parser() -> argparse.ArgumentParser:
    from benchmark.cli import store as store_verbs
    from benchmark.cli import verbs
    from benchmark.report import tables
    from benchmark.report.render import STYLES

    top = _Parser(
        prog="benchmark",
        description="Which visual encoder is best for robot control, and by how much.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = top.add_subparsers(dest="verb", required=True, metavar="VERB", parser_class=_Parser).add_parser

    run = _matrix(add("run", **_doc(verbs.run)))
    run.add_argument("--videos", type=int, default=0, metavar="N", help="make videos of the first N episodes of each cell")
    _verb(run, verbs.run)

    plan = _matrix(add("plan", **_doc(verbs.plan)))
    _format(plan, "text", "json")
    _verb(plan, verbs.plan)

    table = add("table", **_doc(verbs.table))
    table.add_argument("name", choices=tables.names(), help="which table")
    table.add_argument("--source", choices=("ours", "published", "both"), default="ours", help="whose numbers (default: ours)")
    _one_place(table)
    table.add_argument("--method", help="whose ablations, fine-tuning or true-action variants (default: the paper's)")
    table.add_argument("--reference", help="what `compare` compares with (default: the floor)")
    table.add_argument("--statistic", choices=("mean", "iqm"), help="mean (default) or interquartile mean")
    table.add_argument("--metric", help="another column of the records, e.g. metric/tasks_raw")
    table.add_argument("--holm", action="store_true", help="correct the p-values of `compare` for their number")
    table.add_argument("--trials", type=Path, metavar="CSV", help="real trials (method, task, successes, trials) for `real`")
    _format(table, *STYLES)
    _verb(_records(table), verbs.table)

    power = add("power", **_doc(verbs.power))
    power.add_argument("--difference", type=float, help="the difference between two rows that has to be found")
    _one_place(power)
    _format(power, *STYLES)
    _verb(_records(power), verbs.power)

    report = add("report", **_doc(verbs.report))
    report.add_argument("--output", type=Path, default=Path("report.html"), metavar="FILE", help="default: report.html")
    report.add_argument("--figures", type=Path, metavar="DIR", help="write each figure as svg and png as well")
    _verb(_records(report), verbs.report)

    listing = add("list", **_doc(verbs.list_components))
    listing.add_argument("what", choices=("methods", "policies", "envs", "presets", "ablations"), help="what to list")
    _format(listing, "text", "json")
    _verb(listing, verbs.list_components)

    check = add("check", **_doc(verbs.check))
    check.add_argument("name", help="a method, policy or environment")
    _verb(check, verbs.check)

    about = "Demonstrations and recordings: make, import, inspect, verify, export."
    _data(add("data", help=about.lower().rstrip("."), description=about))

    weights = _actions(add("weights", **_doc(verbs.weights_list)))
    known = weights.add_parser("list", **_doc(verbs.weights_list))
    _format(known, "text", "json")
    _verb(known, verbs.weights_list)
    for name, function in (("fetch", verbs.weights_fetch), ("verify", verbs.weights_verify)):
        sub = weights.add_parser(name, **_doc(function))
        sub.add_argument("name", help="a method, as in `weights list`")
        _verb(_common(sub), function)

    results = _actions(add("results", **_doc(store_verbs.ls)))
    ls = results.add_parser("ls", **_doc(store_verbs.ls))
    show = results.add_parser("show", **_doc(store_verbs.show))
    show.add_argument("key", help="a key or the beginning of one")
    verify = results.add_parser("verify", **_doc(store_verbs.verify))
    export = results.add_parser("export", **_doc(verbs.results_export))
    export.add_argument("folder", type=Path, help="where to write")
    _verb(_records(export), verbs.results_export)
    gc = results.add_parser("gc", **_doc(store_verbs.gc))
    gc.add_argument("--yes", action="store_true", help="delete; without it, only say what would go")
    actions = (ls, store_verbs.ls), (show, store_verbs.show), (verify, store_verbs.verify), (gc, store_verbs.gc)
    for sub, function in actions:
        _format(sub, "text", "json")
        _verb(_common(sub), function)

    _verb(_common(add("doctor", **_doc(verbs.doctor))), verbs.doctor)
    return top


def _data(sub: argparse.ArgumentParser) -> None:
    from benchmark.cli import data as data_verbs
    from benchmark.datasets import FORMATS

    data = sub.add_subparsers(dest="action", required=True, metavar="ACTION", parser_class=_Parser)
    make = data.add_parser("make", **_doc(data_verbs.data_make))
    make.add_argument("env", help="an environment")
    make.add_argument("--episodes", type=int, help="how many demonstrations (default: the preset's)")
    make.add_argument("--preset", default="quick", help="smoke, quick (default), standard or paper")
    make.add_argument("--video", type=Path, metavar="FILE", help="make a video of the first demonstration (mp4)")
    make.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="e.g. env.kitchen.resolution=128")
    _format(make, "text", "json")
    _verb(_common(make), data_verbs.data_make)

    take = data.add_parser("import", **_doc(data_verbs.data_import))
    take.add_argument("source", type=Path, help="a file or folder")
    take.add_argument("--format", choices=("auto", *FORMATS), default="auto", help="the format (default: auto, by looking)")
    take.add_argument("--name", help="what to call it here (default: that of the source)")
    take.add_argument("--resolution", type=int, metavar="N", help="stretch frames to N x N (default: as recorded, if square)")
    take.add_argument("--episodes", type=int, metavar="N", help="only the first N")
    take.add_argument("--hz", type=float, help="steps per second")
    take.add_argument("--actions", dest="representation", choices=data_verbs.ACTION_MEANINGS, help="what actions are")
    take.add_argument("--gripper", help="which value opens the gripper, which closes it")
    take.add_argument("--units", help="the units of actions")
    _verb(_common(take), data_verbs.data_import)

    inspect = data.add_parser("inspect", **_doc(data_verbs.data_inspect))
    inspect.add_argument("what", metavar="NAME|PATH", help="a recording, or a source that is not imported")
    inspect.add_argument("--as", dest="source_format", choices=("auto", *FORMATS), default="auto", help="the source's format")
    inspect.add_argument("--sheet", type=Path, metavar="FILE", help="also draw a contact sheet (png)")
    _format(inspect, "text", "json")
    _verb(_common(inspect), data_verbs.data_inspect)

    verify = data.add_parser("verify", **_doc(data_verbs.data_verify))
    verify.add_argument("name", help="a recording")
    _verb(_common(verify), data_verbs.data_verify)

    export = data.add_parser("export", **_doc(data_verbs.data_export))
    export.add_argument("name", help="a recording")
    export.add_argument("--to", choices=("lerobot",), required=True, help="the format")
    export.add_argument("folder", type=Path, metavar="DIR", help="a folder that does not exist yet")
    _verb(_common(export), data_verbs.data_export)


class _Parser(argparse.ArgumentParser):
    """argparse's own messages, with the nearest verb or choice."""

    def error(self, message: str) -> None:  # type: ignore[override]
        import re

        from benchmark.core.errors import suggest

        if match := re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message):
            known = re.findall(r"[\w-]+", match.group(2))
            message = f"unknown '{match.group(1)}'{suggest(match.group(1), known)} Known: {', '.join(known)}"
        self.exit(2, f"error: {message}\n(see {self.prog} --help)\n")


def _actions(sub: argparse.ArgumentParser) -> argparse._SubParsersAction[_Parser]:
    return sub.add_subparsers(dest="action", required=True, metavar="ACTION", parser_class=_Parser)


def _doc(function: object) -> dict[str, Any]:
    """A verb's help is its function's docstring."""
    text = (function.__doc__ or "").strip()
    return {"help": text.split("\n")[0], "description": text, "formatter_class": argparse.RawDescriptionHelpFormatter}


def _common(sub: argparse.ArgumentParser) -> argparse.ArgumentParser:
    default = Path(os.environ.get("BENCHMARK_HOME", "runs"))
    sub.add_argument("--home", type=Path, default=default, metavar="DIR", help="the store (default: BENCHMARK_HOME or runs/)")
    sub.add_argument("--quiet", action="store_true", help="no progress, only results")
    return sub


def _one_place(sub: argparse.ArgumentParser) -> None:
    """For what is shown of one environment under one policy."""
    sub.add_argument("--env", help="the environment of a table that shows one (default: the first)")
    sub.add_argument("--policy", help="the policy of a table that shows one (default: the first)")


def _records(sub: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """What results to read: those of the last run, narrowed or replaced by the flags that name cells, or exported ones."""
    text = "exported records instead of the store; several times: those of several runs together"
    sub.add_argument("--records", type=Path, action="append", metavar="DIR", help=text)
    return _matrix(sub, default_from_last=True)


def _matrix(sub: argparse.ArgumentParser, default_from_last: bool = False) -> argparse.ArgumentParser:
    """The flags that name cells."""
    flags: list[tuple[str, object, object, str]] = [
        ("methods", _names, ["all"], "all, or names: dynamo,byol,dynamo:no_forward,dynamo:all"),
        ("envs", _names, ["kitchen"], "all, or names"),
        ("policies", _names, ["default"], "all, or names"),
        ("seeds", int, 1, "how many"),
        ("first-seed", int, 0, "the first of them, e.g. to leave others to another machine"),
        ("preset", str, "quick", "smoke, quick, standard or paper"),
    ]
    for name, kind, default, text in flags:
        shown = "the last run's" if default_from_last else ",".join(default) if isinstance(default, list) else default
        value = None if default_from_last else default
        sub.add_argument(f"--{name}", type=kind, default=value, help=f"{text} (default: {shown})")  # type: ignore[arg-type]
    sub.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="e.g. pretrain.epochs=4 method.dynamo.latent_dim=32")
    return _common(sub)


def _names(text: str) -> list[str]:
    return [part for part in text.split(",") if part]


def _format(sub: argparse.ArgumentParser, *formats: str) -> None:
    sub.add_argument("--format", choices=formats, default=formats[0], help=f"{', '.join(formats)} (default: {formats[0]})")


def _verb(sub: argparse.ArgumentParser, function: object) -> None:
    sub.set_defaults(verb_function=function)


if __name__ == "__main__":
    raise SystemExit(main())
