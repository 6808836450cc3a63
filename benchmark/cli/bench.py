"""Measure how fast everything is on this machine, against what the machine could do, and write PERFORMANCE.md.

Ceilings (matrix products, memory, disk), pretraining steps, embedding, policy heads, samplers, rollouts, the store, planning.
What cannot be measured here is a line with the reason. The JSON beside the page is for `--compare`.
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from benchmark.cli import flags


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--only", type=flags.names, default=[], metavar="NAME,...", help="groups or names: fit,pretrain/dynamo,rollout/kitchen")
    add(
        "--output",
        type=flags.output_file,
        default="PERFORMANCE.md",
        metavar="FILE",
        help="the page, on the disk that is measured",
    )
    add("--reference", type=Path, metavar="DIR", help="a checkout of the released DynaMo, which takes turns with ours")
    add("--compile", action="store_true", help="training steps by torch.compile as well, a minute or two for each")
    add("--compare", type=Path, metavar="OLD.json", help="print the ratios to an earlier run as well")
    add("--quick", action="store_true", help="small networks and few repetitions: about a minute on two cores")
    add("--quiet", action="store_true", help="no progress, only results")


def run(options: argparse.Namespace) -> int:
    from benchmark.bench.measurement import Report
    from benchmark.bench.page import line, markdown, ratios
    from benchmark.bench.scale import scale_for
    from benchmark.bench.suite import run_bench
    from benchmark.core.errors import BenchmarkError
    from benchmark.core.machine import resolve_device, set_threads
    from benchmark.core.progress import Reporter
    from benchmark.storage.files import write_text

    old = Report.load(options.compare) if options.compare else None
    if not options.output.absolute().parent.is_dir():
        raise BenchmarkError(f"{options.output.absolute().parent} is no folder: nowhere to write {options.output.name} to")
    reporter, device = Reporter(options.quiet), resolve_device("auto")
    command = f"python -m benchmark bench {shlex.join(_words(options))}".strip()
    set_threads(None)
    report = run_bench(
        command,
        scale_for(device, options.quick),
        device,
        options.output.absolute().parent,
        options.only,
        options.reference,
        options.compile,
        show=lambda measurement: reporter.say(line(measurement)),
    )
    write_text(options.output, markdown(report))
    report.save(options.output.with_suffix(".json"))
    print(f"{options.output} and {options.output.with_suffix('.json').name} are written")
    if old is not None:
        print(ratios(old, report))
    return 1 if any(measurement.failed for measurement in report.measurements) else 0


def _words(options: argparse.Namespace) -> list[str]:
    """What decides the numbers, as it can be typed again; where a checkout lies is nobody else's business."""
    words = ["--only", ",".join(options.only)] if options.only else []
    return [
        *words,
        *["--quick"] * options.quick,
        *["--compile"] * options.compile,
        *["--reference", "DIR"] * (options.reference is not None),
    ]
