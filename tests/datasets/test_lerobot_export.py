"""The way back: a recording as a LeRobot data set."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmark.cli.main import main
from benchmark.core.errors import BenchmarkError
from benchmark.datasets import open_source
from benchmark.storage.artifacts import Store
from tests.datasets import builders
from tests.datasets.builders.content import Built
from tests.datasets.taking import take

CODEC_MEAN, CODEC_MAX = 1.5, 24  # grey levels of 255 between a frame and its H.264 copy; see docs/recordings.md


def test_the_exported_statistics_have_quantiles_and_the_numbers_have_names(store: Store, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="python -m pip install -e .[data]")
    demos = take(store, builders.lerobot_images(tmp_path / "data").path)
    meaning = store.raw_manifest("recordings", "mine")["request"]["description"]["actions"]
    assert meaning["names"] == ["pan", "lift", "grip"]
    root = tmp_path / "lerobot"
    assert main(["data", "export", "mine", "--to", "lerobot", str(root), "--home", str(store.root)]) == 0
    features = json.loads((root / "meta/info.json").read_text())["features"]
    assert features["action"]["names"] == ["pan", "lift", "grip"]
    assert features["observation.state"]["names"] == [f"state_{index}" for index in range(4)]
    stats = json.loads((root / "meta/stats.json").read_text())
    np.testing.assert_allclose(stats["action"]["q10"], np.quantile(demos.actions, 0.1, axis=0), rtol=1e-5)
    assert np.shape(stats["observation.images.top"]["q99"]) == (3, 1, 1)
    assert set(stats["action"]) == {"min", "max", "mean", "std", "count", "q01", "q10", "q50", "q90", "q99"}


def test_an_older_lerobot_data_set_comes_with_the_command_that_converts_it(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="python -m pip install -e .[data]")
    path = builders.lerobot(tmp_path / "pusht").path
    info = json.loads((path / "meta/info.json").read_text())
    for version, advice in (
        ("v2.1", f"convert_dataset_v21_to_v30 --repo-id=pusht --root={path}"),
        ("v1.6", "version by version"),
    ):
        (path / "meta/info.json").write_text(json.dumps(info | {"codebase_version": version}))
        with pytest.raises(BenchmarkError, match=advice):
            open_source(path)


def test_a_data_set_of_the_hub_is_fetched_by_its_id(
    store: Store, source: Built, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import huggingface_hub

    asked = []

    def snapshot(name: str, *, repo_type: str, revision: str | None) -> str:
        asked.append((name, repo_type, revision))
        if name == "org/private":
            raise OSError("401 Client Error\nmore")
        return str(source.path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    home = ["--home", str(store.root)]
    assert main(["data", "import", "hf:org/folding.towels@v2", *home, "--quiet"]) == 0
    assert store.keys("recordings") == ["folding"]
    assert main(["data", "inspect", "hf:org/other", *home]) == 0
    assert asked == [("org/folding.towels", "dataset", "v2"), ("org/other", "dataset", None)]
    assert main(["data", "import", "hf:org/private", *home]) == 2
    assert "cannot be fetched: 401 Client Error. Without a network" in capsys.readouterr().err


def test_a_round_trip_through_lerobot(store: Store, tmp_path: Path, source: Built, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pyarrow", reason="python -m pip install -e .[data]")
    before = take(store, source.path)
    target, home = tmp_path / "lerobot", ["--home", str(store.root)]
    assert main(["data", "export", "mine", "--to", "lerobot", str(target), *home]) == 0
    after = take(store, target, "back")
    for name in ("actions", "states", "proprio", "ends"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
    error = np.abs(after.frames.astype(int) - before.frames)
    assert error.mean() <= CODEC_MEAN
    assert error.max() <= CODEC_MAX
    assert (after.spec.views, after.spec.hz) == (before.spec.views, before.spec.hz)
    meanings = [store.raw_manifest("recordings", name)["request"]["description"]["actions"] for name in ("mine", "back")]
    assert meanings[0] == meanings[1]
    capsys.readouterr()
    assert main(["data", "export", "mine", "--to", "lerobot", str(target), *home]) == 2
    assert "exists already" in capsys.readouterr().err
    assert not list(tmp_path.glob(".*.part"))


def test_the_export_has_what_lerobot_reads(store: Store, tmp_path: Path, source: Built) -> None:
    """Paths, columns and types of LeRobotDataset v3."""
    pytest.importorskip("pyarrow", reason="python -m pip install -e .[data]")
    import pandas as pd

    take(store, source.path)
    root = tmp_path / "lerobot"
    assert main(["data", "export", "mine", "--to", "lerobot", str(root), "--home", str(store.root)]) == 0
    info = json.loads((root / "meta/info.json").read_text())
    assert (info["codebase_version"], info["total_episodes"], info["total_frames"], info["fps"]) == ("v3.0", 3, 12, 5)
    steps = pd.read_parquet(root / info["data_path"].format(chunk_index=0, file_index=0))
    assert set(steps) == {n for n, f in info["features"].items() if f["dtype"] != "video"}
    assert list(steps["index"]) == list(range(12))
    assert list(steps["frame_index"][:7]) == [0, 1, 2, 3, 4, 0, 1]
    episodes = pd.read_parquet(root / "meta/episodes/chunk-000/file-000.parquet")
    assert list(episodes["dataset_to_index"]) == [5, 8, 12]
    key = "videos/observation.images.front/from_timestamp"
    np.testing.assert_allclose(episodes[key], [0, 1, 1.6])
    assert list(pd.read_parquet(root / "meta/tasks.parquet").index) == ["mine"]
    stats = json.loads((root / "meta/stats.json").read_text())
    assert np.shape(stats["observation.images.side"]["mean"]) == (3, 1, 1)
    assert len(stats["action"]["std"]) == 3
