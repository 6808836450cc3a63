"""Flags that several verbs share."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmark.core.home import home_of

TABLE_FORMATS = ("text", "md", "csv", "latex", "html", "json")  # report.render.STYLES, without importing it


def add_home(parser: argparse.ArgumentParser) -> None:
    text = "the store (default: BENCHMARK_HOME or runs/)"
    parser.add_argument("--home", type=folder, default=home_of(), metavar="DIR", help=text)
    parser.add_argument("--quiet", action="store_true", help="no progress, only results")


def add_format(parser: argparse.ArgumentParser, formats: tuple[str, ...] = ("text", "json")) -> None:
    default = formats[0]
    parser.add_argument("--format", choices=formats, default=default, help=f"{', '.join(formats)} (default: {default})")


def add_matrix(parser: argparse.ArgumentParser, default_from_last: bool = False) -> None:
    """The flags that name cells, and the store they are in."""
    flags: list[tuple[str, object, object, str]] = [
        ("methods", names, ["all"], "all, or names: dynamo,byol,dynamo:no_forward,dynamo:all"),
        ("envs", names, ["default"], "all, or names"),
        ("policies", names, ["default"], "all, or names"),
        ("seeds", int, 1, "how many"),
        ("first-seed", int, 0, "the first of them, e.g. to leave others to another machine"),
        ("preset", str, "quick", "smoke, quick, standard, paper, or FILE.yaml, one of your own"),
    ]
    for name, kind, default, text in flags:
        origin = "the last run's" if default_from_last else ",".join(default) if isinstance(default, list) else default
        parser.add_argument(f"--{name}", type=kind, help=f"{text} (default: {origin})")  # type: ignore[arg-type]
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="a saved matrix, as --save-config writes it; flags go first"
    )
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="e.g. pretrain.epochs=4 method.dynamo.latent_dim=32")
    add_home(parser)


def add_records(parser: argparse.ArgumentParser) -> None:
    """What results to read: those of the last run, narrowed or replaced by the flags that name cells, or exported ones."""
    text = "exported records instead of the store; several times: those of several runs together"
    parser.add_argument("--records", type=folder, action="append", metavar="DIR", help=text)
    add_matrix(parser, default_from_last=True)


def add_column(parser: argparse.ArgumentParser) -> None:
    """For what holds in one environment under one policy."""
    parser.add_argument("--env", help="the environment of a table that shows one (default: the first)")
    parser.add_argument("--policy", help="the policy of a table that shows one (default: the first)")


def folder(text: str) -> Path:
    """A folder by its name, which a variable of a shell that is not set has not."""
    if not text:
        raise argparse.ArgumentTypeError("the name is empty; write . for this folder")
    return Path(text)


def output_file(text: str) -> Path:
    """A file to write, which may exist: a device or a folder is not replaced by one."""
    path = folder(text)
    try:
        if path.is_dir():
            raise argparse.ArgumentTypeError(f"{path} is a folder; name a file")
        if path.exists() and not path.is_file():
            raise argparse.ArgumentTypeError(f"{path} is a device, a pipe or a socket; name a file")
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{path} cannot be written: {error.strerror}") from error
    output_folder(str(path.parent))
    return path


def output_folder(text: str) -> Path:
    """A folder to write into, which may exist."""
    path = folder(text)
    try:
        blocking = next((place for place in (path, *path.parents) if place.exists() and not place.is_dir()), None)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{path} cannot be written: {error.strerror}") from error
    if blocking:
        raise argparse.ArgumentTypeError(f"{blocking} is no folder; nothing can be written below it")
    return path


def count(text: str) -> int:
    """How many, which may be none."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} is not a number of things: write 0 or more")
    return int(text)


def names(text: str) -> list[str]:
    if not (given := [part.strip() for part in text.split(",") if part.strip()]):
        raise argparse.ArgumentTypeError("no name is given; write all, or names with commas between them")
    return given
