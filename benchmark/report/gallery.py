"""Every figure that results have the data for: for the report page, and as files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from benchmark.core.errors import BenchmarkError
from benchmark.report import figures
from benchmark.report.images import TITLES, Images
from benchmark.results.bundle import ENCODER, Results, among
from benchmark.results.view import Frames, Options, retrained
from benchmark.storage.files import write_bytes

FILES = ("svg", "png")


@dataclass(frozen=True)
class Drawing:
    """A figure, where it belongs, and what it shows in words for those who do not see it."""

    name: str
    env: str
    policy: str  # "" where it is about encoders alone
    title: str
    words: str
    figure: Figure


def gallery(results: Results) -> tuple[list[Drawing], list[str]]:
    """What can be drawn, and why the rest cannot."""
    drawn, left_out = [], []
    for make in _wanted(results):
        try:
            drawn.append(make())
        except BenchmarkError as error:
            left_out.append(str(error))
    return drawn, list(dict.fromkeys(left_out))


def save(drawings: list[Drawing], folder: Path) -> list[Path]:
    """Each figure as a vector and a pixel file."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for drawing in drawings:
        for kind in FILES:
            path = folder / f"{drawing.name}.{kind}"
            write_bytes(path, figures.encoded(drawing.figure, kind))
            paths.append(path)
    return paths


def slug(*words: str) -> str:
    """A name for files and anchors."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(filter(None, words)).lower()).strip("-")


def _wanted(results: Results) -> Iterator[Callable[[], Drawing]]:
    records, cells = results.records, results.cells
    frames = Frames(records, cells, Options())
    spectra = among(results.spectra, frames.cells[~retrained(frames.cells)], ENCODER)
    for env, policy in frames.places:
        options = Options(env=env, policy=policy)
        yield partial(
            _draw, "scores", env, policy, "Scores with their intervals", partial(figures.scores, records, cells, options)
        )
        for probe, label in figures.PROBES.items():
            scatter = partial(figures.probe_scatter, records, cells, options, probe)
            yield partial(_draw, probe, env, policy, f"Does the {label} predict the score?", scatter)
        yield partial(_draw, "tasks", env, policy, "Success of each task", partial(figures.task_bars, records, cells, options))
    for env in frames.envs:
        curves = partial(figures.learning_curves, results.curves[results.curves.env == env])
        yield partial(_draw, "curves", env, "", "Pretraining loss", curves)
        spectrum = partial(figures.spectrum, spectra[spectra.env == env])
        yield partial(_draw, "spectrum", env, "", "Spectrum of the features", spectrum)
    for shown in results.images:
        sheet = partial(figures.contact_sheet, shown)
        yield partial(_draw, shown.name, shown.env, "", TITLES[shown.name], sheet, _in_words(shown))


def _draw(name: str, env: str, policy: str, title: str, make: Callable[[], Figure], words: str = "") -> Drawing:
    figure = make()
    return Drawing(slug(name, env, policy), env, policy, title, words or _axes_in_words(figure), figure)


def _axes_in_words(figure: Figure) -> str:
    axes = figure.axes[0]
    across, up = axes.get_xlabel() or figure.get_supxlabel(), axes.get_ylabel() or figure.get_supylabel() or "rows"
    title = figure.get_suptitle().replace("\n", ", ")
    return f"{title}. Across: {across}; up: {up}."


def _in_words(shown: Images) -> str:
    title = TITLES[shown.name]
    return f"{shown.env}, {len(shown.queries)} held-out frames. {title}. From top to bottom: {', '.join(shown.answers)}."
