"""Execute stages by their keys: what they build on has to be in the store.

`run` describes each stage in the store before it starts it; any process that sees the store can execute one of them. Keys are
those of `plan`, abbreviated or not, and of what `run` says of stages that failed.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from benchmark.cli import flags
from benchmark.core.errors import BenchmarkError

if TYPE_CHECKING:
    from benchmark.storage.artifacts import Store


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
        stage, execution = published(store, _whole(key, store))
        try:
            print(Executor(store, reporter, execution).execute(stage))
        except StageFailed:
            return 1  # said, with the reason
        except SystemExit as error:
            raise BenchmarkError(f"{stage.label} called sys.exit({error})") from error
    return 0


def _whole(prefix: str, store: Store) -> str:
    """The key that is meant, if only one planned stage has a key that begins so."""
    from benchmark.storage.files import entries

    keys = [path.stem for path in entries(store.root / "stages") if path.stem.startswith(prefix)]
    return keys[0] if len(keys) == 1 else prefix
