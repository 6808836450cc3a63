"""The report page: what stands in it, and that nothing in it can act or load anything."""

from __future__ import annotations

import base64
import hashlib
import re
import tomllib
from dataclasses import replace
from fnmatch import fnmatch
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmark.core.errors import BenchmarkError, UnknownName
from benchmark.report import gallery
from benchmark.report.page import page
from benchmark.report.videos import Video
from benchmark.results import statistics
from benchmark.results.bundle import Results
from benchmark.results.export import load
from benchmark.results.options import Column
from benchmark.results.view import ResultsView
from tests.fake_results import table_of
from tests.report.conftest import fake_results

ROOT = Path(__file__).parents[2]
HOSTILE = "\"'><script>x</script>&amp;"
VOID = {"meta", "link", "input", "img", "br"}


PLACES = [("kitchen", "mlp"), ("pusht", "mlp"), ("pusht", "knn")]
ONE = {"methods": ["byol", "random"], "envs": ["kitchen"], "policies": ["mlp"]}


class Parsed(HTMLParser):
    """Checks that tags nest, and gathers what a test looks at."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.scripts: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        (self.scripts if self.open and self.open[-1] in ("script", "style") else self.words).append(data)

    def of(self, *names: str) -> list[dict[str, str]]:
        return [attributes for tag, attributes in self.tags if tag in names]

    def results(self) -> list[dict[str, str]]:
        return [attributes for attributes in self.of("tbody") if "result" in attributes["class"].split()]


def test_every_row_is_there_with_the_numbers_of_the_table(results: Results, text: str) -> None:
    rows = Parsed(text).results()
    assert {(row["data-env"], row["data-policy"]) for row in rows} == set(PLACES)
    assert len(rows) == 6 * len(PLACES)
    for env, policy in PLACES:
        table = table_of("main", results.records, results.cells, policy=policy)
        for label, cell in table.column(f"{env}/{policy}").items():
            start = text.index(f'data-method="{label}" data-env="{env}" data-policy="{policy}"')
            row = text[start : text.index("</tbody>", start)]
            assert cell.text in row
            assert all(note in row for note in cell.notes)


def test_a_row_tells_where_it_comes_from(results: Results, text: str) -> None:
    start = text.index('data-method="dynamo:no_forward" data-env="pusht" data-policy="knn"')
    row = text[start : text.index("</tbody>", start)]
    assert "git checkout c0ffee  # and changes that were not committed" in row
    typed = "python -m benchmark run --methods dynamo:no_forward --envs pusht --policies knn --seeds 2<"
    assert typed in row
    cell = next(
        c for c in results.provenance["cells"] if (c["variant"], c["env"], c["policy"]) == ("no_forward", "pusht", "knn")
    )
    key = cell["stages"]["rollout"]
    assert f'href="#stage-{key}"' in row
    assert f'<details id="stage-{key}">' in text


def test_the_bar_of_a_score_lies_where_its_interval_does(results: Results, text: str) -> None:
    view = ResultsView(results)
    cells = {column: table_of("main", results.records, results.cells, policy=column.policy) for column in view.columns}
    for row in Parsed(text).results():
        column, label = Column(row["data-env"], row["data-policy"]), row["data-method"]
        shown = cells[column].column("/".join(column))[label]
        start = text.index(f'data-method="{label}" data-env="{column.env}" data-policy="{column.policy}"')
        bar = re.search(r'class="span" x="([\d.]+)" y="2" width="([\d.]+)".*?class="point" x="([-\d.]+)"', text[start:])
        if shown.low is None or shown.high is None or shown.value is None:
            continue
        low, high = view.bounds(column.env)
        assert bar
        expected = (shown.low - low, shown.high - shown.low, shown.value - low)
        drawn = (float(bar[1]), float(bar[2]), float(bar[3]) + 0.75)
        assert drawn == pytest.approx([100 * each / (high - low) for each in expected], abs=0.011)


def test_places_whose_names_look_alike_have_tables_and_figures_of_their_own(results: Results) -> None:
    few = results.only(**ONE)
    twins = [pd.concat([frame, frame.assign(env="kitchen_")]) for frame in (few.records, few.cells, few.curves, few.spectra)]
    twin = Results(*twins, {**few.provenance, "cells": []})
    drawn = gallery.gallery(ResultsView(twin))
    assert len({one.name for one in drawn[0]}) == len(drawn[0]) == 2 * len(gallery.gallery(ResultsView(few))[0])
    ids = [a["id"] for _, a in Parsed(page(ResultsView(twin), drawn=drawn)).tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert gallery.apart(["a", "a-2", "a", "a"]) == ["a", "a-2", "a-3", "a-4"]


def test_nothing_is_loaded_and_only_its_own_script_may_run(text: str) -> None:
    parsed = Parsed(text)
    for _, attributes in parsed.tags:
        for name in ("src", "href", "poster", "action", "srcset", "data"):
            assert attributes.get(name, "#").startswith(("#", "data:")), attributes
        assert not any(name == "style" or name.startswith("on") for name in attributes)
    assert not re.search(r"url\(|@import|https?://", "".join(parsed.scripts))
    policy = next(a["content"] for a in parsed.of("meta") if "http-equiv" in a)
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert len(parsed.scripts) == 2
    for inside in parsed.scripts:
        assert base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode() in policy


def test_links_lead_somewhere_and_ids_are_unique(text: str) -> None:
    parsed = Parsed(text)
    ids = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {a["href"][1:] for a in parsed.of("a")} <= set(ids)
    labels = {a[name] for _, a in parsed.tags for name in ("aria-labelledby", "aria-describedby") if name in a}
    assert labels <= set(ids)


def test_names_cannot_break_out(results: Results) -> None:
    def renamed(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(**{c: frame[c].replace({"byol": HOSTILE, "pusht": HOSTILE, "knn": HOSTILE}) for c in frame})

    few = results.only(methods=["byol", "random"], envs=["pusht"], policies=["knn"])
    hostile = Results(*(renamed(f) for f in (few.records, few.cells, few.curves, few.spectra)), results.provenance)
    video = Video(HOSTILE, HOSTILE, HOSTILE, "video.mp4", 4, b"video")
    parsed = Parsed(page(ResultsView(hostile), [video]))
    assert len(parsed.of("script")) == 1
    assert all(image["src"].startswith("data:image/svg+xml;base64,") for image in parsed.of("img"))
    assert any(row["data-method"] == HOSTILE for row in parsed.results())
    assert sum(HOSTILE in word for word in parsed.words) >= 3


def test_the_same_results_give_the_same_page(results: Results) -> None:
    assert page(ResultsView(fake_results().only(**ONE))) == page(ResultsView(results.only(**ONE)))


def test_figures_have_words_and_absent_ones_a_reason(results: Results, text: str, drawn: Any) -> None:
    assert len(drawn[0]) == 5 * len(PLACES) + 2 * 2
    assert drawn[1] == []
    images = Parsed(text).of("img")
    assert len(images) == len(drawn[0])
    assert all(len(image["alt"]) > 20 for image in images)
    few = results.only(**ONE)
    bare = Results(few.records, few.cells, provenance=few.provenance)
    shown = page(ResultsView(bare))
    assert "figure-scores-kitchen-mlp" in shown
    assert "figure-curves-kitchen" not in shown
    assert "there is no curve to draw" in shown


def test_the_spectrum_of_an_encoder_that_its_policy_trained_is_not_drawn(results: Results) -> None:
    few = results.only(**{**ONE, "methods": ["byol", "dynamo"]})
    tuned = replace(few, cells=few.cells.assign(finetuned=few.cells.method == "byol"))
    for shown, names in ((few, ["byol", "dynamo"]), (tuned, ["dynamo"])):
        (drawing,) = [one for one in gallery.gallery(ResultsView(shown))[0] if one.name.startswith("spectrum")]
        assert [text.get_text() for text in drawing.figure.axes[0].get_legend().get_texts()] == names


def test_figures_are_files_too(tmp_path: Path, drawn: Any) -> None:
    paths = gallery.save([one for one in drawn[0] if one.name in ("scores-pusht-knn", "curves-kitchen")], tmp_path / "figures")
    wanted = [f"{name}.{kind}" for name in ("curves-kitchen", "scores-pusht-knn") for kind in ("png", "svg")]
    assert sorted(path.name for path in paths) == wanted
    assert all(path.stat().st_size > 1000 for path in paths)


def test_videos_are_inside_or_named(results: Results) -> None:
    small = Video("kitchen", "mlp", "byol: episode 0, score 4", "a.mp4", 5, b"movie")
    large = Video("kitchen", "mlp", "byol: episode 1, score 0", "b.mp4", 9_000_000, b"")
    parsed = Parsed(page(ResultsView(results.only(**ONE)), [small, large], ([], [])))
    assert [video["src"] for video in parsed.of("video")] == ["data:video/mp4;base64," + base64.b64encode(b"movie").decode()]
    assert any("b.mp4 has 9.0 MB" in word for word in parsed.words)


def test_nothing_run_yet_is_still_a_page(results: Results) -> None:
    cells = results.cells.assign(status="pending", reason="not run yet")
    empty = {**results.provenance, "cells": [], "stages": {}, "provenance": []}
    bare = Results(results.records.iloc[:0], cells, results.curves.iloc[:0], results.spectra.iloc[:0], empty)
    parsed = Parsed(page(ResultsView(bare)))
    assert len(parsed.results()) == 18
    assert "Nothing to draw yet." in parsed.words
    assert "pending: not run yet" in parsed.words


def test_no_statistic_of_a_page_is_computed_twice(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables and figures share one view: no bootstrap runs again with the same scores, random numbers and bounds."""
    plain, bootstraps = statistics.replicates, []

    def counted(groups: Any, rng: Any, **options: Any) -> Any:
        scores = tuple(group.tobytes() for group in groups)
        bootstraps.append((scores, str(rng.bit_generator.state), str(sorted(options.items(), key=lambda item: item[0]))))
        return plain(groups, rng, **options)

    monkeypatch.setattr(statistics, "replicates", counted)
    view = ResultsView(results.only(envs=["pusht"]))
    gallery.gallery(view)
    page(view, drawn=([], []))
    rows, columns = 5, 2
    assert len(bootstraps) == rows * columns, "ranks draw once for every row; intervals of means and comparisons draw nothing"
    assert len(set(bootstraps)) == len(bootstraps)
    page(view, drawn=([], []))
    assert len(set(bootstraps)) == len(bootstraps), "a second page of the same view computes nothing"


def test_committed_records_give_a_page() -> None:
    """Figures of one only: each takes a quarter of a second to encode."""
    views = [ResultsView(load(path.parent)) for path in (ROOT / "results" / "measured").glob("*/provenance.json")]
    smallest = min(views, key=lambda view: (len(view.columns), len(view.records)))
    for view in views:
        content = Parsed(page(view, drawn=None if view is smallest else ([], [])))
        assert len(content.results()) == len(view.cells.drop_duplicates(["env", "method", "variant", "policy"]))


def test_only_what_is_named_is_shown(results: Results) -> None:
    few = results.only(methods=["dynamo:all", "random"], envs=["kitchen"], policies=["all"], seeds=range(1), preset="quick")
    for frame in (few.records, few.cells, few.curves, few.spectra):
        assert set(frame.env) == {"kitchen"}
        assert set(frame.seed) == {0}
        assert set(zip(frame.method, frame.variant, strict=True)) == {("dynamo", ""), ("dynamo", "no_forward"), ("random", "")}
    assert len(results.only(methods=["all"]).cells) == len(results.cells[results.cells.variant == ""])
    with pytest.raises(UnknownName, match="did you mean dynamo"):
        results.only(methods=["dynmo"])
    with pytest.raises(UnknownName, match="env in these records"):
        results.only(envs=["libero"])


def test_folders_without_records_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"provenance\.json is missing"):
        load(tmp_path)
    (tmp_path / "provenance.json").write_text("{}")
    with pytest.raises(BenchmarkError, match=r"provenance\.json: request is null"):
        load(tmp_path)


def test_an_installed_package_has_the_parts_of_the_page() -> None:
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["benchmark"]
    for name in ("page.html", "page.css", "page.js"):
        assert (ROOT / "benchmark" / "report" / name).is_file()
        assert any(fnmatch(f"report/{name}", pattern) for pattern in patterns)
