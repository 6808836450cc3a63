"""Write a report page: one HTML file with sortable results, figures, videos and where each number comes from.

It needs no network and no server. Videos are those of `run --videos`.
"""

from __future__ import annotations

import argparse

from benchmark.cli import flags


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", type=flags.output_file, default="report.html", metavar="FILE", help="default: report.html")
    parser.add_argument("--figures", type=flags.output_folder, metavar="DIR", help="write each figure as svg and png as well")
    flags.add_records(parser)


def run(options: argparse.Namespace) -> int:
    from benchmark.cli import selection
    from benchmark.cli.images import visualizations
    from benchmark.cli.predictions import predicted
    from benchmark.core.progress import Reporter, size
    from benchmark.launch.base import execution_of
    from benchmark.launch.execute import Executor
    from benchmark.report.demo import Demo
    from benchmark.report.gallery import gallery, save
    from benchmark.report.images import images
    from benchmark.report.page import page
    from benchmark.report.videos import videos
    from benchmark.results.offline import data_sets
    from benchmark.results.view import ResultsView
    from benchmark.storage.artifacts import Store
    from benchmark.storage.files import write_text

    view, sheets, recorded = ResultsView(selection.results(options)), [], []
    if not options.records:  # records hold numbers; images and videos are in the store
        store = Store(options.home)
        plan = selection.plan_of_last(options, store)
        executor = Executor(store, Reporter(options.quiet), execution_of(next(iter(plan.configs.values()))))
        sheets = images(visualizations(plan, executor, make=store.is_writable()))
        if any(data_sets(view, env) for env in view.envs):
            shown = predicted(plan, store)  # of each data set, in its own units
            told = {demo.env for demo in shown}
            sheets = [*(sheet for sheet in sheets if not (isinstance(sheet, Demo) and sheet.env in told)), *shown]
        recorded = videos(options.home / "videos", view.results.provenance)
    figures = gallery(view, sheets)
    text = page(view, recorded, figures)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    write_text(options.output, text)
    print(f"{options.output}: {size(len(text.encode()))}")
    for path in save(figures[0], options.figures) if options.figures else []:
        print(path)
    return 0
