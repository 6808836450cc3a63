"""A report of a store, of what was exported from it, and of the command that a row says it comes from."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmark import registry
from benchmark.cli.images import visualizations
from benchmark.cli.main import main, parse
from benchmark.cli.selection import request as request_of
from benchmark.core.progress import Reporter
from benchmark.data.episodes import open_demos
from benchmark.launch.execute import Executor
from benchmark.planning.recipes import make_plan
from benchmark.planning.request import Request
from benchmark.report.images import Images, images
from benchmark.report.reproduce import command
from benchmark.report.videos import videos
from benchmark.results import bundle
from benchmark.results.bundle import POINTS, Results, gather, merged
from benchmark.results.export import export, load
from benchmark.results.gather import collect
from benchmark.results.options import Column, RowId
from benchmark.storage.artifacts import Store
from benchmark.storage.columns import CELL_COLUMNS, IDENTITY, RECORD_COLUMNS
from tests.toy import Toy

REQUEST = Request(["random", "state", "byol"], ["toy"], ["mlp"], 1, "smoke", ["machine.threads=1", "method.byol.batch_size=4"])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A store in which that was run, with videos."""
    registry.envs().add(Toy)
    home = tmp_path_factory.mktemp("home") / "runs"
    flags = ["--methods", "random,state,byol", "--envs", "toy", "--policies", "mlp", "--preset", "smoke", "--videos", "2"]
    assert main(["run", *flags, "--home", str(home), "--quiet", *REQUEST.overrides]) == 0
    yield home
    registry.envs().remove("toy")


@pytest.fixture(scope="module")
def found(home: Path) -> Results:
    return gather(make_plan(REQUEST), Store(home), REQUEST)


def test_of_a_spectrum_the_first_axes_are_kept(home: Path, found: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    """Patches have thousands; a repository should not hold them all."""
    monkeypatch.setattr(bundle, "AXES", 3)
    few = gather(make_plan(REQUEST), Store(home), REQUEST).spectra
    whole = found.spectra[found.spectra["index"] <= 3]
    assert len(found.spectra) > len(few) > 0
    pd.testing.assert_frame_equal(few.reset_index(drop=True), whole.reset_index(drop=True))


@pytest.fixture(scope="module")
def sheets(home: Path, found: Results) -> dict[str, Images]:
    executor = Executor(Store(home).prepare(), Reporter(quiet=True))
    made = images(visualizations(make_plan(REQUEST), executor, make=True))
    return {sheet.name: sheet for sheet in made if isinstance(sheet, Images)}


def test_everything_behind_a_number_is_gathered(home: Path, found: Results) -> None:
    assert set(found.curves.method) == {"byol"}  # the others are not trained
    assert found.curves.name.unique().tolist() == ["loss"]
    assert len(found.curves) <= POINTS
    assert found.spectra.groupby("method").value.apply(lambda values: values.is_monotonic_decreasing).all()
    plan = make_plan(REQUEST)
    assert {c["method"]: c["stages"] for c in found.provenance["cells"]} == {c.id.method: c.stages for c in plan.cells}
    assert set(found.provenance["stages"]) == set(plan.stages)
    for key, manifest in found.provenance["stages"].items():
        whole = Store(home).manifest(manifest["kind"], key).to_json()
        assert {**manifest, "provenance": found.provenance["provenance"][manifest["provenance"]]} == whole
    assert len(found.provenance["provenance"]) == 1


def test_cells_have_the_columns_of_the_list(found: Results) -> None:
    assert set(found.cells) == set(CELL_COLUMNS)
    assert {name for name in found.records if not name.startswith("metric/")} == set(RECORD_COLUMNS)
    assert set(found.cells.method[found.cells.floor]) == {"random"}
    assert set(found.cells.method[found.cells.untrained]) == {"random"}
    assert set(found.cells.state_target) == {Toy.spec(Toy.Config()).state_target}
    demos = found.provenance["stages"][found.provenance["cells"][0]["stages"]["demos"]]
    assert set(found.cells.demonstrator_score) == {demos["summary"]["mean_score"]}
    assert set(found.cells.env_title) == {"toy"}, "without a title it is the name"
    assert set(found.cells.policy_title) == {"MLP (chunking)"}


def test_networks_that_nothing_trains_are_neither_published_nor_learnt_with_the_policy(toy: type) -> None:
    methods = ["random", "random_vit", "random:finetuned", "end_to_end", "state", "imagenet", "imagenet:untrained", "byol"]
    plan = make_plan(Request(methods, ["toy"], ["mlp"], 1, "smoke"))
    cells = collect(plan, Store(Path("nowhere")))[1]
    untrained = cells[cells.untrained]
    assert list(zip(untrained.method, untrained.variant, strict=True)) == [
        ("random", ""),
        ("random_vit", ""),
        ("imagenet", "untrained"),
    ]


def test_every_encoder_that_sees_gets_its_maps(sheets: dict[str, Images]) -> None:
    queries = sheets["neighbours"].queries
    for name in ("saliency", "maps"):
        shown = sheets[name]
        assert set(shown.answers) == {"random", "byol"}, "state has no images to look at"
        assert np.array_equal(shown.queries, queries)
        assert all(len(frames) == len(queries) and frames.dtype == np.uint8 for frames in shown.answers.values())
        assert all(frames.std() > 10 for frames in shown.answers.values()), "there is something to see"


def test_matches_are_training_frames(home: Path, found: Results, sheets: dict[str, Images]) -> None:
    matches = sheets["neighbours"]
    store, stages = Store(home), found.provenance["cells"][0]["stages"]
    demos = open_demos(store.folder("demos", stages["demos"]))
    train, held_out = demos.split(store.manifest("probe", stages["probe"]).params["held_out"])
    known = {demos.frames[step, 0].tobytes() for step in demos.steps_of(train)}
    assert set(matches.answers) == {"random", "state", "byol"}
    assert all(frame.tobytes() in known for frames in matches.answers.values() for frame in frames)
    asked = {demos.frames[step, 0].tobytes() for step in demos.steps_of(held_out)}
    assert all(frame.tobytes() in asked for frame in matches.queries)


def test_the_nearest_training_frame_is_found(home: Path, found: Results, sheets: dict[str, Images]) -> None:
    """The features of `state` are the state: what is nearest can be said without them."""
    demos = open_demos(Store(home).folder("demos", found.provenance["cells"][0]["stages"]["demos"]))
    matches = sheets["neighbours"]
    train, held_out = (demos.steps_of(episodes) for episodes in demos.split(0.1))
    spread = demos.states[train].std(0)
    for query, answer in zip(matches.queries, matches.answers["state"], strict=True):
        step = next(s for s in held_out if np.array_equal(demos.frames[s, 0], query))
        gaps = (((demos.states[train] - demos.states[step]) / spread) ** 2).sum(1)
        assert np.array_equal(demos.frames[train[gaps.argmin()], 0], answer)


def test_an_export_holds_the_same(tmp_path: Path, found: Results) -> None:
    assert export(found, tmp_path / "records") == len(found.records)
    again = load(tmp_path / "records")
    assert again.provenance == json.loads(json.dumps(found.provenance))
    for name in ("records", "cells", "curves", "spectra"):
        ours, theirs = getattr(found, name).reset_index(drop=True), getattr(again, name)
        pd.testing.assert_frame_equal(ours, theirs, check_dtype=False, rtol=1e-3)


def test_the_page_is_written_from_a_store_and_from_records(
    home: Path, tmp_path: Path, found: Results, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--home", str(home), "--quiet"]
    assert main(["results", "export", str(tmp_path / "records"), *flags]) == 0
    page, figures = tmp_path / "new" / "report.html", tmp_path / "figures"
    assert main(["report", "--output", str(page), "--figures", str(figures), *flags]) == 0
    assert str(page) in capsys.readouterr().out
    assert {path.name for path in figures.iterdir()} >= {
        "curves-toy.svg",
        "curves-toy.png",
        "spectrum-toy.svg",
        "neighbours-toy.png",
    }
    from_store = page.read_text()
    assert from_store.count("data:video/mp4;base64,") == len(videos(home / "videos", found.provenance)) > 0
    assert main(["report", "--records", str(tmp_path / "records"), "--output", str(page), *flags]) == 0
    from_records = page.read_text()
    assert "exported records hold no videos" in from_records
    for text in (from_store, from_records):
        assert all(f'id="stage-{key}"' in text for key in found.provenance["stages"])
        assert str(tmp_path) not in text
    assert main(["report", "--records", str(tmp_path / "records"), "--methods", "byl", "--output", str(page), *flags]) == 2
    assert "did you mean byol" in capsys.readouterr().err
    assert main(["report", "--records", str(tmp_path / "records"), "--output", str(page), *flags, "pretrain.epochs=4"]) == 2
    assert "--records takes none" in capsys.readouterr().err


def test_videos_of_other_settings_are_not_shown(tmp_path: Path, found: Results) -> None:
    cell = found.provenance["cells"][0]
    key = cell["stages"]["rollout"][:10]
    names = [f"toy-random-full-mlp-seed0-{key}-episode{i}-score{score}.mp4" for i, score in enumerate((0.5, 1, 0, 0.5))]
    for name in [*names, "toy-random-full-mlp-seed0-0123456789-episode0-score1.mp4"]:
        (tmp_path / name).write_bytes(b"mp4!")
    (tmp_path / names[2]).write_bytes(bytes(2_000_000))
    shown = videos(tmp_path, found.provenance)
    assert [(video.name, video.size, len(video.content)) for video in shown] == [(names[1], 4, 4), (names[2], 2_000_000, 0)]
    assert shown[0].title == "random, toy, mlp, seed 0: episode 1, score 1"


def test_power_is_said_from_records(home: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    flags = ["--home", str(home), "--quiet", "--format", "csv"]
    assert main(["power", "--difference", "0.3", "--methods", "random,byol", *flags]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("episodes_needed,notes")
    assert [line.split(",")[0] for line in lines[1:]] == ["1", "2", "3", "5", "10"]
    assert main(["power", "--difference", "-1", *flags]) == 2
    assert "above zero" in capsys.readouterr().err


def test_the_command_of_a_row_makes_its_stages(toy: type) -> None:
    """Settings of components that are not in the row would be refused there, and are left out."""
    settings = ["method.byol.batch_size=8", "method.dynamo.batch_size=4", "policy.mlp.hidden=32", "pretrain.steps=3"]
    request = Request(["byol", "dynamo:all"], ["toy"], ["mlp", "knn"], 2, "smoke", [*settings, "env.toy.resolution=40"])
    plan = make_plan(request)
    provenance = {"seeds": 2, "preset": "smoke", "overrides": request.overrides}
    for cell in plan.cells[::3]:
        typed = command(provenance, Column(cell.id.env, cell.id.policy), RowId(cell.id.method, cell.id.variant))
        options = parse(shlex.split(typed)[3:])
        again = make_plan(request_of(options))
        assert [c.stages for c in again.cells if c.id == cell.id] == [cell.stages]


def run_toy(home: Path, *flags: str) -> None:
    names = ["--methods", "random,byol", "--envs", "toy", "--policies", "mlp", "--preset", "smoke"]
    assert main(["run", *names, "--home", str(home), "--quiet", *REQUEST.overrides, *flags]) == 0
    assert main(["results", "export", str(home / "records"), "--home", str(home)]) == 0


def test_two_machines_share_the_seeds_and_one_table_shows_them(
    toy: type, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    together, one, two = tmp_path / "together", tmp_path / "one", tmp_path / "two"
    run_toy(together, "--seeds", "3")
    run_toy(one, "--seeds", "2")
    run_toy(two, "--first-seed", "2")
    joined = [*("--records", str(one / "records")), *("--records", str(two / "records"))]
    assert main(["results", "export", str(tmp_path / "joined"), *joined]) == 0
    by = [*IDENTITY, "episode"]
    expected, found = load(together / "records"), load(tmp_path / "joined")
    pd.testing.assert_frame_equal(*(r.records.sort_values(by, ignore_index=True) for r in (expected, found)))
    assert found.provenance["stages"].keys() == expected.provenance["stages"].keys()
    assert {c["seed"] for c in found.provenance["cells"]} == {0, 1, 2}
    assert found.provenance["request"] == expected.provenance["request"]
    for manifest in found.provenance["stages"].values():
        assert manifest["provenance"] < len(found.provenance["provenance"])
    capsys.readouterr()
    tables = []
    for records in (["--records", str(together / "records")], joined):
        assert main(["table", "main", "--format", "md", *records]) == 0
        tables.append([line.rsplit("|", 2)[0] for line in capsys.readouterr().out.splitlines()])  # without wall times
    assert tables[0] == tables[1]
    assert any("2 episodes x 3 seeds," in line for line in tables[1])
    assert main(["table", "main", "--format", "md", *joined, "--first-seed", "2"]) == 0
    assert "2 episodes x 1 seed," in capsys.readouterr().out
    assert main(["results", "export", str(tmp_path / "none"), "--home", str(two), "--seeds", "1"]) == 2, "that is seed 0"
    said = capsys.readouterr().err
    assert "nothing of this plan has been run" in said
    assert "preset smoke: --preset names another" in said


def test_what_does_not_belong_together_is_not_joined(
    toy: type, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["results", "export", str(tmp_path / "a"), "--home", str(home)]) == 0
    capsys.readouterr()
    records = ["--records", str(tmp_path / "a"), "--records"]
    run_toy(tmp_path / "b", "--first-seed", "1", "fit.steps=2")
    assert main(["table", "main", *records, str(tmp_path / "b" / "records")]) == 2
    assert "other settings of fit.steps" in capsys.readouterr().err
    run_toy(tmp_path / "c", "--seeds", "2")
    capsys.readouterr()
    assert main(["table", "main", *records, str(tmp_path / "c" / "records")]) == 2
    error = capsys.readouterr().err
    assert "byol in toy with mlp, seed 0, is in" in error
    assert "leave one of them out" in error
    assert main(["run", "--methods", "random", "--first-seed", "-1"]) == 2
    assert "--first-seed must not be negative" in capsys.readouterr().err


def test_a_row_that_one_machine_could_not_run_is_taken_from_the_other(found: Results) -> None:
    missing = replace(found, cells=found.cells.assign(status="missing", reason="no weights"), records=found.records.iloc[:0])
    for parts in ({"a": missing, "b": found}, {"a": found, "b": missing}):
        joined = merged(parts)
        assert (joined.cells.status == "done").all()
        assert len(joined.cells) == len(found.cells)
    assert len(merged({"a": missing, "b": missing}).cells) == len(found.cells)


def test_the_provenance_of_chosen_cells_is_theirs(found: Results) -> None:
    (cell,) = found.only(["byol"]).provenance["cells"]
    assert found.only(["byol"]).provenance["stages"].keys() == set(cell["stages"].values())
