"""Draw a held-out episode: its frames, with recorded and predicted actions below it, step by step.

It shows what the offline table counts: predictions on recorded observations. Nothing that is predicted is done.
"""

from __future__ import annotations

import argparse

from benchmark.cli import flags


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data-set", metavar="NAME", help="a part of the mixture (default: the first)")
    parser.add_argument(
        "--episode", type=flags.count, default=0, metavar="N", help="which of its held-out episodes (default: 0)"
    )
    parser.add_argument("--output", type=flags.output_file, default="demo.png", metavar="FILE", help="png, svg or pdf")
    flags.add_matrix(parser, default_from_last=True)


def run(options: argparse.Namespace) -> int:
    from pathlib import Path

    from benchmark.cli import selection
    from benchmark.cli.predictions import predicted
    from benchmark.report import demo, drawing
    from benchmark.storage.artifacts import Store
    from benchmark.storage.files import write_bytes

    store, output = Store(options.home), Path(options.output)
    one = predicted(selection.plan_of_last(options, store), store, options.data_set, options.episode)[0]
    data = drawing.encoded(demo.figure(one), output.suffix.removeprefix(".") or "png")
    output.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(output, data)
    print(f"{output}: {one.title}")
    return 0
