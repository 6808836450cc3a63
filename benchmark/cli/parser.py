"""argparse, stricter and kinder: no abbreviations, settings anywhere, the nearest name where one is unknown."""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

from benchmark.core.errors import suggest

PIPED = 400  # columns


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """As wide as the terminal; a pipe is not folded at the 80 columns of a terminal that is not there."""

    def __init__(self, prog: str):
        super().__init__(prog, width=None if sys.stdout.isatty() else PIPED)


class Parser(argparse.ArgumentParser):
    """Of the program, a verb or an action: sub-parsers are of the same class."""

    def __init__(self, **settings: Any):
        settings = {"formatter_class": HelpFormatter, "allow_abbrev": False, **settings}
        super().__init__(**settings)

    def parse_with_overrides(self, words: Sequence[str]) -> argparse.Namespace:
        """Overrides may stand anywhere: argparse alone takes positional arguments in one place only."""
        options, rest = self.parse_known_args(words)
        overrides = [word for word in rest if "=" in word and not word.startswith("-")] if hasattr(options, "overrides") else []
        if unknown := [word for word in rest if word not in overrides]:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        if overrides:
            options.overrides = [*options.overrides, *overrides]
        return options

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """Unknown flags come first: argparse would take the value of one for a positional argument and complain of that."""
        words = sys.argv[1:] if args is None else list(args)
        for word in words:
            if word == "--" or (self._subparsers and not word.startswith("-")):
                break  # what follows is no flag, or is for the parser of the action
            self._refuse_unknown(word.partition("=")[0])
        return super().parse_known_args(words, namespace)

    def _refuse_unknown(self, flag: str) -> None:
        flags = self._option_string_actions
        if flag.startswith("--") and flag not in flags:
            bare = {name.lstrip("-"): name for name in flags if name.startswith("--")}
            short = flag.lstrip("-")
            nearest = [name for name in bare if name.startswith(short)] or difflib.get_close_matches(short, bare, n=1)
            advice = f"; did you mean {' or '.join(bare[name] for name in nearest)}?" if nearest else ""
            self.error(f"unrecognized argument {flag}{advice}")

    def error(self, message: str) -> NoReturn:
        """argparse's own message, with the nearest verb or choice."""
        if match := re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message):
            names = re.findall(r"[\w-]+", match.group(2))
            message = f"unknown '{match.group(1)}'{suggest(match.group(1), names)} Known: {', '.join(names)}"
        message = message.replace(", KEY=VALUE", "")  # of which there may be none
        self.exit(2, f"error: {message}\n(see {self.prog} --help)\n")


class Action(NamedTuple):
    """One of the actions of a verb: `results ls`. The docstring of `run` is its help."""

    arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def add_actions(parser: argparse.ArgumentParser, actions: Mapping[str, Action]) -> None:
    """Afterwards `options.action` names the one that was chosen."""
    add = parser.add_subparsers(dest="action", required=True, metavar="ACTION").add_parser
    for name, action in actions.items():
        text = re.sub(r"\n {4}", "\n", action.run.__doc__ or "").strip()
        action.arguments(add(name, help=text.split("\n")[0], description=text))
