"""Saved requests and presets of one's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmark.cli.main import main, parse
from benchmark.cli.selection import request
from benchmark.core.errors import BenchmarkError
from benchmark.planning.config.files import read_request, write_request
from benchmark.planning.recipes import make_plan
from benchmark.planning.request import Request


def write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def asked(*words: str) -> Request:
    return request(parse(["plan", *words]))


def test_a_saved_request_is_read_as_it_was(tmp_path: Path) -> None:
    joint = "joint.rates=[trunk.layer4.*:0.5,*:0]"
    wanted = Request(("random", "byol"), ("toy",), ("mlp", "knn"), 3, "paper", ("method.byol.lr=1e-4,3e-4", joint), 2)
    write_request(tmp_path / "deep" / "mine.yaml", wanted)
    again = read_request(tmp_path / "deep" / "mine.yaml")
    assert again == Request(*([*map(list, (wanted.methods, wanted.envs, wanted.policies))]), 3, "paper", [*wanted.overrides], 2)  # type: ignore[arg-type]


def test_settings_are_a_tree_too_and_values_stay_as_they_are_written(tmp_path: Path) -> None:
    text = """
methods: random,byol
envs: [toy]
settings:
  pretrain: {frames: 500, steps: null}
  fit: {standardise: off, steps: 30}
  method: {byol: {lr: [1e-4, 3e-4]}}
  joint: {rates: ["a.*:0.5", "*:0"]}
"""
    read = read_request(Path(write(tmp_path / "mine.yaml", text)))
    assert read.methods == ["random", "byol"]
    assert read.overrides == [
        *("pretrain.frames=500", "pretrain.steps=null", "fit.standardise=false", "fit.steps=30"),
        *("method.byol.lr=1e-4,3e-4", "joint.rates=[a.*:0.5,*:0]"),
    ]


def test_flags_go_before_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.yaml", "methods: [byol]\nseeds: 3\npreset: smoke\nsettings: [fit.steps=5]\n")
    assert asked("--config", path) == Request(["byol"], seeds=3, preset="smoke", overrides=["fit.steps=5"])
    more = asked("--config", path, "--methods", "random", "fit.steps=9", "--seeds", "1")
    assert more == Request(["random"], preset="smoke", overrides=["fit.steps=5", "fit.steps=9"])


def test_without_a_file_the_defaults_hold() -> None:
    assert asked() == Request(overrides=())
    assert asked("--methods", "byol") == Request(["byol"])


def test_a_preset_of_ones_own_is_one_of_ours_with_settings(tmp_path: Path, toy: type) -> None:
    path = write(tmp_path / "longer.yaml", "preset: smoke\nsettings:\n  fit: {steps: 77}\n  rollout: {episodes: 3}\n")
    wanted = asked("--preset", path, "--methods", "random", "--envs", "toy", "--policies", "mlp", "rollout.episodes=4")
    assert wanted.preset == "smoke+longer"
    plan = make_plan(wanted)
    config = plan.configs["toy"]
    assert (plan.preset, config.fit.steps, config.rollout.episodes) == ("smoke+longer", 77, 4)
    assert config.env["toy"].episodes == 4, "components have the settings of what it is based on"
    saved = write(tmp_path / "run.yaml", "preset: longer.yaml\nmethods: [random]\n")
    assert asked("--config", saved).preset == "smoke+longer"
    with pytest.raises(BenchmarkError, match=r"give its file, longer\.yaml"):
        asked("--preset", "smoke+longer")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("methds: [byol]", r"unknown key in .*mine.yaml: 'methds'; did you mean methods"),
        ("- a", "holds no settings"),
        ("methods: [a", "is not YAML"),
        ("settings: {fit: [1}", "is not YAML"),
        ("settings: [fit.steps]", "a list of KEY=VALUE"),
        ("seeds: many", "seeds is a whole number, not 'many'"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BenchmarkError, match=message) as error:
        read_request(Path(write(tmp_path / "mine.yaml", text)))
    assert "mine.yaml" in str(error.value)
    with pytest.raises(BenchmarkError, match="cannot be read"):
        read_request(tmp_path / "absent.yaml")


def test_a_run_saves_what_plans_the_same_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words: Any = ["--methods", "random,state", "--envs", "pusht", "--policies", "knn", "--preset", "paper", "fit.goal=last"]
    saved, home = str(tmp_path / "saved.yaml"), ["--home", str(tmp_path / "runs")]
    write_request(Path(saved), asked(*words))
    assert main(["plan", *words, "--format", "json", *home]) == 0
    direct = json.loads(capsys.readouterr().out)
    assert main(["plan", "--config", saved, "--format", "json", *home]) == 0
    assert json.loads(capsys.readouterr().out) == direct


def test_a_preset_of_ones_own_takes_its_settings_along(tmp_path: Path, toy: type) -> None:
    """Another preset has none of them, and another setting leaves them there."""
    mine = write(tmp_path / "mine.yaml", "preset: smoke\nsettings: [fit.steps=123]\n")
    before = asked("--preset", mine, "--methods", "random", "--envs", "toy", "--policies", "mlp")
    saved = tmp_path / "saved.yaml"
    write_request(saved, before)
    for given in (before, read_request(saved)):
        assert make_plan(given).configs["toy"].fit.steps == 123
        plain = request(parse(["plan", "--preset", "smoke"]), given)
        assert plain.preset == "smoke"
        assert make_plan(plain).configs["toy"].fit.steps != 123
        more = request(parse(["plan", "rollout.episodes=3"]), given)
        config = make_plan(more).configs["toy"]
        assert (more.preset, config.fit.steps, config.rollout.episodes) == ("smoke+mine", 123, 3)
