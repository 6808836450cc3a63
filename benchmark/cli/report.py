"""Write a report page: one HTML file with sortable results, figures, videos and where each number comes from.

It needs no network and no server. Videos are those of `run --videos`.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from benchmark.cli import flags


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", type=Path, default=Path("report.html"), metavar="FILE", help="default: report.html")
    parser.add_argument("--figures", type=Path, metavar="DIR", help="write each figure as svg and png as well")
    flags.add_records(parser)


def run(options: argparse.Namespace) -> int:
    from benchmark.cli import selection
    from benchmark.core.progress import size
    from benchmark.report.gallery import gallery, save
    from benchmark.report.images import images
    from benchmark.report.page import page
    from benchmark.report.videos import videos
    from benchmark.storage.artifacts import Store, write_text

    results = selection.results(options)
    if not options.records:  # records hold numbers; images and videos are in the store
        results = replace(results, images=images(Store(options.home), results.provenance))
    figures = gallery(results)
    recorded = [] if options.records else videos(options.home / "videos", results.provenance)
    text = page(results, recorded, figures)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    write_text(options.output, text)
    print(f"{options.output}: {size(len(text.encode()))}")
    for path in save(figures[0], options.figures) if options.figures else []:
        print(path)
    return 0
