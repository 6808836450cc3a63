"""A mixture from one command to the offline table, its picture, and an encoder that is used elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.cli.main import main
from benchmark.core.progress import Task
from benchmark.data.episodes import open_demos
from benchmark.datasets.recordings import import_recording
from benchmark.envs.mixture import Mixture, MixtureConfig
from benchmark.stages.offline import read_predictions, yardsticks
from benchmark.storage.artifacts import Store
from tests.datasets.openx import SIDE, openx
from tests.toy import Toy

PARTS = "env.mixture.parts=[gripping,turning,sweeping]"
SMALL = ("--preset", "smoke", "--quiet", "machine.threads=1", "machine.cores=1")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a small Open X and a mixture of it, predicted by two policies."""
    folder = tmp_path_factory.mktemp("mixture")
    store = Store(folder / "home").prepare()
    for name, one in openx(folder / "openx").items():
        import_recording(store, one.path, name, Task())
    return store.root


def run(home: Path, *words: str) -> int:
    return main(["run", *words, "--home", str(home), *SMALL])


def test_a_run_ends_with_the_offline_table(home: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    cells = ("--methods", "random", "--policies", "knn,mlp", "--envs", "mixture", PARTS)
    assert run(home, *cells) == 0
    shown = capsys.readouterr().out
    assert "this is not success" in " ".join(shown.split())
    assert main(["table", "offline", "--home", str(home), "--format", "json"]) == 0
    table = json.loads(capsys.readouterr().out)
    text = json.dumps(table)
    for name in ("gripping", "turning", "sweeping"):
        assert f"{name}: mean action" in text
        assert f"{name}: random, knn" in text
        assert f"{name}: random, mlp" in text

    store = Store(home)
    [key] = [key for key in store.keys("rollout") if "knn" in store.manifest("rollout", key).label]
    manifest = store.manifest("rollout", key)
    demos = open_demos(store.open("demos", manifest.input("demos").key))
    predictions = read_predictions(store.open("rollout", key))
    training, held_out = demos.split(0.1)
    assert sorted(predictions) == sorted(held_out.tolist())
    lines = (store.open("rollout", key) / "records.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    for record, episode in zip(records, held_out, strict=True):
        part = demos.parts[demos.part_of[episode]]
        rows = slice(demos.starts[episode], demos.ends[episode])
        own = np.abs(predictions[int(episode)] - demos.actions[rows]).mean(0)
        trained = demos.actions[demos.steps_of(training)]
        halves = (trained.max(0) - trained.min(0)) / 2  # how the agent normalises
        assert record["metric/action_error"] == pytest.approx((own / halves).mean(), rel=1e-3)
        given = [dim for dim in range(6) if part.given[dim]]
        assert record[f"metric/data_set/{part.name}"] == 1.0
        assert record["metric/offline/error/x"] == pytest.approx(own[0], rel=1e-5)
        assert record["metric/offline/in_units/x"] == pytest.approx(own[0] * part.scale[0], rel=1e-5)
        assert record["metric/offline/error"] == pytest.approx(own[given].mean(), rel=1e-5)
        mine = training[demos.part_of[training] == demos.part_of[episode]]
        mean = demos.actions[demos.steps_of(mine)].mean(0)
        usual = np.abs(mean - demos.actions[rows]).mean(0)
        assert record["metric/offline/mean_action/x"] == pytest.approx(usual[0], rel=1e-4)
        assert ("metric/offline/gripper" in record) == (part.name != "sweeping")
        assert ("metric/offline/error/pitch" in record) == (part.name != "sweeping")
    assert len(yardsticks(demos, training)) == 3


def test_an_encoder_is_pretrained_on_a_mixture_and_used_elsewhere(
    home: Path, capsys: pytest.CaptureFixture[str], toy: type[Toy]
) -> None:
    rows = "inverse_dynamics,inverse_dynamics:on=mixture"
    words = ("--methods", rows, "--policies", "knn", "--envs", "toy", PARTS, "pretrain.frames=256")
    assert run(home, *words) == 0
    shown = capsys.readouterr().out
    assert "inverse_dynamics:on=mixture" in shown
    store = Store(home)
    trained = [store.manifest("pretrain", key) for key in store.keys("pretrain")]
    there, here = sorted(
        (m for m in trained if m.params["method"] == "inverse_dynamics"), key=lambda m: m.params["config"]["on"] == ""
    )
    assert store.manifest("demos", there.input("demos").key).params["env"] == "mixture"
    assert store.manifest("demos", here.input("demos").key).params["env"] == "toy"
    assert abs(there.summary["frames_seen"] - here.summary["frames_seen"]) <= 64
    assert run(home, *words, f"env.mixture.resolution={SIDE}") == 0
    assert f"its frames have {SIDE} pixels, and 32 are needed" in " ".join(capsys.readouterr().out.split())
    assert run(home, *words[:6], "pretrain.frames=256") == 0
    assert "on=mixture: no recordings are named to mix: env.mixture.parts=[A,B]" in " ".join(capsys.readouterr().out.split())
    assert run(home, "--methods", "random:on=mixture", *words[2:]) == 0
    assert "random is not trained on demonstrations" in " ".join(capsys.readouterr().out.split())


def test_what_an_expert_does_can_be_a_part(
    home: Path, capsys: pytest.CaptureFixture[str], toy: type[Toy], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The toy's demonstrations, imported as they were made: they say themselves that they move something in x and y."""
    monkeypatch.setenv("BENCHMARK_HOME", str(home))
    made = ("data", "make", "toy", "--preset", "smoke", "--format", "json", "--home", str(home), "--quiet", "machine.workers=0")
    assert main(made) == 0
    folder = json.loads(capsys.readouterr().out)["folder"]
    assert main(["data", "import", folder, "--name", "walking", "--home", str(home), "--quiet"]) == 0
    config = MixtureConfig(parts=["walking", "sweeping"])
    assert Mixture.unavailable_reason(config) is None
    [walking, _] = Mixture.parts(config)
    assert walking.given == (True, True, False, False, False, False, False)
    assert walking.units == "0.12 of the side"


def test_predictions_are_drawn_under_the_film(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells = ("--methods", "random", "--policies", "knn", "--envs", "mixture", "--preset", "smoke", PARTS)
    assert run(home, *cells[:6], PARTS) == 0
    capsys.readouterr()
    sheet = tmp_path / "demo.png"
    assert main(["demo", "--data-set", "turning", *cells, "--output", str(sheet), "--home", str(home)]) == 0
    assert "turning, held-out episode" in capsys.readouterr().out
    with Image.open(sheet) as image:
        assert image.width > 800
        assert np.asarray(image.convert("L")).std() > 20
    assert main(["demo", "--data-set", "nothing", *cells, "--output", str(sheet), "--home", str(home)]) == 2
    assert "unknown data set 'nothing'" in capsys.readouterr().err
