"""Every figure that results have the data for: for the report page, and as files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path

from matplotlib.figure import Figure

from benchmark.core.errors import BenchmarkError
from benchmark.report import drawing, figures
from benchmark.report.demo import Demo, figure
from benchmark.report.images import TITLES, Images
from benchmark.results.bundle import among
from benchmark.results.view import ResultsView, retrained
from benchmark.storage.columns import ENCODER
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


def gallery(view: ResultsView, images: Sequence[Images | Demo] = ()) -> tuple[list[Drawing], list[str]]:
    """What can be drawn, and why the rest cannot."""
    drawn, left_out = [], []
    for make in _wanted(view, images):
        try:
            drawn.append(make())
        except BenchmarkError as error:
            left_out.append(str(error))
    names = apart([one.name for one in drawn])
    return [replace(one, name=name) for one, name in zip(drawn, names, strict=True)], list(dict.fromkeys(left_out))


def save(drawings: list[Drawing], folder: Path) -> list[Path]:
    """Each figure as a vector and a pixel file."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for one in drawings:
        for kind in FILES:
            path = folder / f"{one.name}.{kind}"
            write_bytes(path, drawing.encoded(one.figure, kind))
            paths.append(path)
    return paths


def slug(*words: str) -> str:
    """A name for files and anchors."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(filter(None, words)).lower()).strip("-")


def apart(names: Sequence[str]) -> list[str]:
    """Each name once: `a_b` and `a-b` are one slug, and the second of them gets a number."""
    taken: dict[str, None] = {}
    for name in names:
        others = (f"{name}-{number}" for number in count(2))
        taken[name if name not in taken else next(other for other in others if other not in taken)] = None
    return list(taken)


def _wanted(view: ResultsView, images: Sequence[Images | Demo]) -> Iterator[Callable[[], Drawing]]:
    curves = view.results.curves
    spectra = among(view.results.spectra, view.cells[~retrained(view.cells)], ENCODER)
    for env, policy in view.columns:
        here = view.with_options(replace(view.options, env=env, policy=policy))
        yield partial(_draw, "scores", env, policy, "Scores with their intervals", partial(figures.scores, here))
        for probe, label in figures.PROBES.items():
            scatter = partial(figures.probe_scatter, here, probe)
            yield partial(_draw, probe, env, policy, f"Does the {label} predict the score?", scatter)
        yield partial(_draw, "tasks", env, policy, "Success of each task", partial(figures.task_bars, here))
    for env in view.envs:
        learning = partial(figures.learning_curves, curves[curves.env == env])
        yield partial(_draw, "curves", env, "", "Pretraining loss", learning)
        spectrum = partial(figures.spectrum, spectra[spectra.env == env])
        yield partial(_draw, "spectrum", env, "", "Spectrum of the features", spectrum)
    for sheet in images:
        if isinstance(sheet, Demo):
            name = "demo" if sheet.data_set == sheet.env else f"demo {sheet.data_set}"
            yield partial(_draw, name, sheet.env, "", sheet.title, partial(figure, sheet), sheet.words)
        else:
            draw = partial(figures.contact_sheet, sheet)
            yield partial(_draw, sheet.name, sheet.env, "", TITLES[sheet.name], draw, _in_words(sheet))


def _draw(name: str, env: str, policy: str, title: str, make: Callable[[], Figure], words: str = "") -> Drawing:
    drawn = make()
    return Drawing(slug(name, env, policy), env, policy, title, words or _axes_in_words(drawn), drawn)


def _axes_in_words(figure: Figure) -> str:
    axes = figure.axes[0]
    across, up = axes.get_xlabel() or figure.get_supxlabel(), axes.get_ylabel() or figure.get_supylabel() or "rows"
    title = figure.get_suptitle().replace("\n", ", ")
    return f"{title}. Across: {across}; up: {up}."


def _in_words(sheet: Images) -> str:
    title = TITLES[sheet.name]
    return f"{sheet.env}, {len(sheet.queries)} held-out frames. {title}. From top to bottom: {', '.join(sheet.answers)}."
