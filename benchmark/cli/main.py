"""The command line: a static table of verbs. A verb's module is imported when that verb is used, so that help costs nothing."""

from __future__ import annotations

import argparse
import errno
import importlib
import io
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from benchmark.cli.parser import Parser
from benchmark.core.errors import BenchmarkError
from benchmark.core.home import at_home
from benchmark.core.signals import ending_cleanly
from benchmark.core.text import printable_lines

# of a disk or a file system and of no mistake in here: full, read-only, gone
OF_THE_MACHINE = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM),
    *(errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.EHOSTDOWN),
)


class Verb(NamedTuple):
    """A module with `arguments(parser)` and `run(options)`; its docstring is the verb's help, which begins with this line."""

    module: str
    help: str


VERBS = {
    "run": Verb(
        "benchmark.cli.run",
        "Run every cell of the matrix, then print the table: environments side by side, or policies where there are several.",
    ),
    "plan": Verb("benchmark.cli.plan", "Show what would run: cells, stages they share, what is cached, time, disk and memory."),
    "table": Verb("benchmark.cli.table", "Print a table, computed from per-episode records."),
    "power": Verb(
        "benchmark.cli.power",
        "Say how many episodes and seeds resolve a difference between two rows, from the variances of results that exist.",
    ),
    "report": Verb(
        "benchmark.cli.report",
        "Write a report page: one HTML file with sortable results, figures, videos and where each number comes from.",
    ),
    "demo": Verb(
        "benchmark.cli.demo", "Draw a held-out episode: its frames, with recorded and predicted actions below it, step by step."
    ),
    "list": Verb("benchmark.cli.listing", "List what can be named: methods, policies, environments, presets, ablations."),
    "check": Verb("benchmark.cli.check", "Run the conformance suite on one method, policy or environment."),
    "data": Verb(
        "benchmark.cli.data", "Demonstrations and recordings: make, import, describe, list, inspect, verify, export, rm."
    ),
    "weights": Verb("benchmark.cli.weights", "Published weights: list what is known and what is here, fetch, verify."),
    "results": Verb("benchmark.cli.results", "Look after the store: list, show, verify, redo, export, clean up."),
    "hub": Verb(
        "benchmark.cli.hub",
        "Share encoders, policies and results on the Hugging Face hub: push what was exported, pull what others pushed.",
    ),
    "worker": Verb("benchmark.cli.worker", "Execute stages by their keys: what they build on has to be in the store."),
    "bench": Verb(
        "benchmark.cli.bench",
        "Measure how fast everything is on this machine, against what the machine could do, and write PERFORMANCE.md.",
    ),
    "doctor": Verb(
        "benchmark.cli.doctor", "Say what this machine can run, and what is missing with the command that fixes it."
    ),
}

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
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")  # a table with question marks in place of its lines is a table
    try:
        with ending_cleanly():
            options = parse(arguments)
            with at_home(getattr(options, "home", None)):
                return options.run(options)
    except BenchmarkError as error:
        print(f"error: {printable_lines(str(error))}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except KeyboardInterrupt as error:
        with suppress(OSError):  # the terminal may be what has gone
            print("\ninterrupted; run the same command again and it goes on from here", file=sys.stderr)
        return getattr(error, "code", 130)
    except OSError as error:
        if error.errno not in OF_THE_MACHINE:
            raise
        place = f": {error.filename}" if error.filename else ""
        print(f"error: {error.strerror}{place}; when that is put right, the same command goes on from here", file=sys.stderr)
        return 2


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options of one verb, with what runs it as `run`."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    name = _top().parse_args(words[:1]).verb
    verb = importlib.import_module(VERBS[name].module)
    parser = Parser(prog=f"benchmark {name}", description=verb.__doc__)
    verb.arguments(parser)
    options = parser.parse_with_overrides(words[1:])
    options.run = verb.run
    return options


def _top() -> Parser:
    top = Parser(
        prog="benchmark", description="Which visual encoder is best for robot control, and by how much.", epilog=EXAMPLES
    )
    top.add_argument("--version", action=_Version, nargs=0, help="which version this is")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, verb in VERBS.items():
        verbs.add_parser(name, help=verb.help, add_help=False)
    return top


class _Version(argparse.Action):
    """Looked up when it is asked for: help imports nothing for it."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from benchmark.core.provenance import own_version

        print(f"{parser.prog} {own_version()}")
        parser.exit()
