"""A recording as an environment, by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark import registry
from benchmark.cli.main import main
from benchmark.core.errors import BenchmarkError, Unavailable
from benchmark.data.episodes import open_demos
from benchmark.envs.recording import Recording, RecordingConfig
from benchmark.stages.demos import data_spec
from benchmark.storage.artifacts import Store
from tests.datasets import builders
from tests.datasets.builders.content import LENGTHS, SIDE, Built
from tests.datasets.taking import take


def test_the_environment_yields_the_recording(store: Store, source: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    demos = take(store, source.path)
    monkeypatch.setenv("BENCHMARK_HOME", str(store.root))
    config = RecordingConfig(name="mine")
    assert registry.envs().get("recording") is Recording
    assert (config.episodes, config.resolution, Recording.unavailable_reason(config)) == (3, SIDE, None)
    spec = Recording.spec(config)
    assert (spec.views, spec.hz, spec.max_steps, spec.action_dim, spec.state_dim) == (("front", "side"), 5.0, 5, 3, 2)
    np.testing.assert_allclose(spec.action_low, demos.actions.min(0))
    episodes = list(Recording.import_demonstrations(config))
    assert [len(e.actions) for e in episodes] == list(LENGTHS)
    np.testing.assert_array_equal(np.concatenate([e.frames for e in episodes]), demos.frames)
    by_path = RecordingConfig(path=str(store.folder("recordings", "mine")), episodes=2, resolution=16)
    assert len(list(Recording.import_demonstrations(by_path))) == 2


def test_what_its_actions_mean_reaches_the_spec_and_the_demonstrations(
    store: Store, source: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(store, source.path, stated={"representation": "delta", "units": "5 cm", "gripper": "1 closes"})
    monkeypatch.setenv("BENCHMARK_HOME", str(store.root))
    action = Recording.spec(RecordingConfig(name="mine")).action
    assert (action.representation, action.units, action.gripper, action.frame) == ("delta", "5 cm", "1 closes", "unknown")
    assert data_spec(Recording, RecordingConfig(name="mine")).action == action


def test_a_spec_written_before_actions_were_described_opens(store: Store, source: Built) -> None:
    take(store, source.path)
    path = store.folder("recordings", "mine") / "episodes.json"
    text = json.loads(path.read_text())
    del text["spec"]["action"]
    path.write_text(json.dumps(text))
    demos = open_demos(path.parent)
    assert demos.spec.action is None
    assert demos.spec.action_dim == 3


def test_its_demonstrations_are_made_like_any_others(
    store: Store, source: Built, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    take(store, source.path)
    monkeypatch.setenv("BENCHMARK_HOME", str(store.root))
    assert main(["data", "make", "recording", "env.recording.name=mine", "--home", str(store.root), "--quiet"]) == 0
    assert "3 episodes, 12 frames, 4 steps on average\n" in capsys.readouterr().out


def test_the_configuration_names_the_content(store: Store, source: Built, tmp_path: Path) -> None:
    take(store, source.path)
    take(store, source.path, "less", episodes=2)
    folder = store.folder("recordings", "mine")
    first, second = (RecordingConfig(path=str(store.folder("recordings", name))).sha256 for name in ("mine", "less"))
    assert first != second
    assert RecordingConfig(path=str(folder), sha256=first).sha256 == first
    with pytest.raises(BenchmarkError, match="content has changed"):
        RecordingConfig(path=str(folder), sha256=second)


def test_an_environment_without_a_recording_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHMARK_HOME", str(tmp_path))
    for config in (RecordingConfig(), RecordingConfig(name="none")):
        assert "python -m benchmark data import" in (Recording.unavailable_reason(config) or "")
        with pytest.raises(Unavailable):
            Recording.import_demonstrations(config).__next__()
    with pytest.raises(BenchmarkError, match="cannot name a recording"):
        RecordingConfig(name="../x")


def test_recordings_are_environments_by_name_several_in_one_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = str(tmp_path / "home")
    for name, build in (("images", builders.folder_of_images), ("tf-records", builders.rlds)):
        path = build(tmp_path / name).path
        assert main(["data", "import", str(path), "--name", name, "--hz", "5", "--home", home, "--quiet"]) == 0
    flags = ["--home", home, "--quiet", "--preset", "smoke", "machine.threads=1", "env.recording.episodes=2"]
    envs = ["--envs", "recording:images,recording:tf-records", "--methods", "random,state", "--policies", "knn"]
    assert main(["run", *envs, *flags]) == 0
    shown = capsys.readouterr().out
    assert "images (recording)" in shown
    assert "tf-records (recording)" in shown
    assert "action_r2" in shown
    store = Store(tmp_path / "home")
    made = [store.manifest("demos", key) for key in store.keys("demos")]
    configs = {manifest.params["env"]: manifest.params["config"] for manifest in made}
    assert {env: config["name"] for env, config in configs.items()} == {
        "recording:images": "images",
        "recording:tf-records": "tf-records",
    }
    assert all(config["episodes"] == 2 for config in configs.values())
    assert main(["table", "main", *envs[:2], "--format", "json", "--home", home]) == 0


def test_a_recording_by_name_is_the_class_with_that_name(store: Store, source: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    take(store, source.path)
    monkeypatch.setenv("BENCHMARK_HOME", str(store.root))
    cls: Any = registry.envs().get("recording:mine")
    assert cls is registry.envs().get("recording:mine")
    assert (cls.name, cls.Config().name, cls.spec(cls.Config()).action_dim) == ("recording:mine", "mine", 3)
    assert cls.spec(cls.Config()).metric_range == (-1.0, 1.0)
    with pytest.raises(BenchmarkError, match="cannot name a recording"):
        registry.envs().get("recording:../x")
    with pytest.raises(BenchmarkError, match="kitchen:mine"):
        registry.envs().get("kitchen:mine")
