"""What a person is told who asks for something that is not there, or that would have been ignored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import benchmark
from benchmark import registry
from benchmark.cli.main import main, parse
from benchmark.contracts.method import Method
from benchmark.core.errors import BenchmarkError, UnknownName
from benchmark.planning.request import Request
from benchmark.training.accelerator import EagerStep
from tests.cli.running import run

MEASURED = Path(__file__).parents[2] / "results" / "measured" / "kitchen-avx2"


def told(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main([*words]) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("verb", [["table", "main"], ["report"], ["power"]])
def test_a_store_that_holds_nothing_of_a_plan_is_named(verb: list[str], tmp_path: Path, capsys: Any) -> None:
    names = [
        "--methods",
        "random,state",
        "--preset",
        "smoke",
        "--seeds",
        "2",
        "fit.steps=3",
        "--home",
        str(tmp_path / "mispelt"),
    ]
    error = told(capsys, *verb, *names)
    assert f"nothing of this plan has been run in {tmp_path / 'mispelt'}" in error
    assert error.endswith("python -m benchmark run --methods random,state --seeds 2 --preset smoke fit.steps=3\n")
    assert not (tmp_path / "mispelt").exists()


@pytest.mark.usefixtures("toy")
def test_a_plan_that_is_partly_run_is_shown_and_its_times_are_measured(tmp_path: Path, capsys: Any) -> None:
    settings = ["--methods", "random", "--policies", "knn"]
    assert run(tmp_path, *settings, verb="plan") == 0
    assert "guessed, whatever the size of networks: no stage of demos, embed, probe, rollout has" in capsys.readouterr().out
    assert run(tmp_path, *settings) == 0
    capsys.readouterr()
    assert main(["table", "main", "--methods", "random,state", "--home", str(tmp_path)]) == 0
    assert "state" in capsys.readouterr().out
    assert run(tmp_path, "--methods", "random,byol", "--policies", "knn,mlp", "--seeds", "2", verb="plan") == 0
    assert "guessed, whatever the size of networks: no stage of fit, pretrain has" in capsys.readouterr().out
    assert run(tmp_path, *settings, "--seeds", "2", "--format", "json", verb="plan") == 0
    assert json.loads(capsys.readouterr().out)["estimate"]["guessed"] == []


def test_ablations_say_what_they_change_in_the_default_preset(capsys: Any) -> None:
    assert main(["list", "ablations", "--format", "json"]) == 0
    rows = {row["name"]: row["in quick it sets"] for row in json.loads(capsys.readouterr().out)}
    assert rows["byol:imagenet_init"] == "init=imagenet instead of scratch, width=64 instead of 16, lr=0.0001 instead of 0.001"
    assert rows["byol:no_augmentation"] == "augment=False instead of True"


def test_a_method_of_addresses_is_not_missing(capsys: Any) -> None:
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines if line.split()[-1] in ("timm", "file", "hf")] == [
        ["ok", name] for name in ("file", "hf", "timm")
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("main --env kitchen", "main does not look at --env; --envs says of which cells it is"),
        ("main --holm", "main does not look at --holm"),
        ("compare --method byol", "compare does not look at --method; --methods says"),
        ("main --trials trials.csv", "main is not made of --trials; `table real` is"),
        ("ablations --method bylo", "of one method, bylo, and no cell is of it; did you mean byol"),
        ("finetune --method spawnnet", "of one method, spawnnet, and no cell is of it"),
    ],
)
def test_a_table_refuses_what_it_would_ignore(words: str, message: str, capsys: Any) -> None:
    assert message in told(capsys, "table", *words.split(), "--records", str(MEASURED))


def test_a_table_takes_what_it_looks_at(capsys: Any) -> None:
    words = ["compare", "--env", "kitchen", "--policy", "knn", "--reference", "random", "--holm"]
    assert main(["table", *words, "--records", str(MEASURED)]) == 0
    assert main(["table", "ablations", "--method", "dynamo", "--policy", "vqbet", "--records", str(MEASURED)]) == 0


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("run --videos -2", "-2 is not a number of things: write 0 or more"),
        ("demo --episode -1", "-1 is not a number of things"),
        ("results show abc --format text", "unrecognized argument --format"),
        ("table", "the following arguments are required: name\n"),
    ],
)
def test_a_flag_that_would_be_ignored_is_refused(command: str, message: str, capsys: Any) -> None:
    with pytest.raises(SystemExit):
        parse(command.split())
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("policy.mlp.lr=3", "policy.mlp.lr sets something of mlp, of which nothing is planned: add it to --policies"),
        ("--methods dynamo byol", "several names have commas between them: --methods NAME,byol"),
        ("--policies VQ-BeT", "did you mean vqbet"),
        ("--preset Quick", "did you mean quick"),
    ],
)
def test_a_natural_mistake_is_understood(words: str, message: str, capsys: Any) -> None:
    assert message in told(capsys, "plan", *words.split())


@pytest.mark.parametrize(
    ("answer", "described"),
    [
        (torch.zeros(()), r"a tensor of shape \(\)"),
        ((torch.zeros(2), {}), r"\(a tensor of shape \(2,\), a dict\)"),
        (None, "a NoneType"),
        ((torch.zeros(()), 0.5), r"\(a tensor of shape \(\), a float\)"),
    ],
)
def test_a_loss_that_is_no_pair_is_told(answer: Any, described: str) -> None:
    class Odd:
        def loss(self, batch: Any, rng: Any) -> Any:
            return answer

    step = EagerStep(Odd(), [], torch.optim.SGD([torch.zeros(1)]), None, "cpu", "fp32")  # type: ignore[arg-type]
    with pytest.raises(BenchmarkError, match=rf"Odd\.loss gave {described}, promised is \(loss, terms\)"):
        step(None, 0)


def test_a_component_without_a_name_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Mine(Method):
        @classmethod
        def build_encoder(cls, config: Any, data: Any) -> Any:
            return None

    with pytest.raises(BenchmarkError, match='Mine has no name: write `name = "my_method"` into its body'):
        benchmark.register_method(Mine)
    (tmp_path / "mine.py").write_text("from benchmark.contracts.method import Method\nclass Mine(Method):\n    pass\n")
    package = __import__("benchmark.methods").methods
    monkeypatch.setattr(package, "__path__", [str(tmp_path)])
    known: registry.Registry[Any] = registry.Registry("method", "benchmark.methods", "benchmark.contracts.method:Method")
    with pytest.raises(UnknownName, match="methods/mine is there and names no method: a class that derives from Method"):
        known.get("mine")


def test_python_takes_a_preset_from_a_file_as_the_command_line_does(tmp_path: Path, capsys: Any) -> None:
    preset = tmp_path / "mine.yaml"
    preset.write_text("preset: smoke\nsettings: {fit: {steps: 7}}\n")
    lines = benchmark.plan("random", "kitchen", "mlp", preset=str(preset), home=tmp_path)
    names = ["--methods", "random", "--envs", "kitchen", "--policies", "mlp", "--preset", str(preset)]
    assert main(["plan", *names, "--format", "json"]) == 0
    keys = [stage["key"] for stage in json.loads(capsys.readouterr().out)["stages"]]
    assert keys == [*lines.key]
    with pytest.raises(BenchmarkError, match=r"give its file, mine\.yaml"):
        benchmark.plan("random", preset="smoke+mine", home=tmp_path)
    assert Request().preset == "quick"
