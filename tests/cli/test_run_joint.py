"""Encoders that learn with the policy, in whole runs on the toy environment; what they started from stays as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from benchmark.cli.main import main
from benchmark.data.episodes import open_demos
from benchmark.results.export import load
from benchmark.stages.base import Artifact
from benchmark.stages.load.agent import load_acting
from benchmark.stages.params.fit import Params as FitParams
from benchmark.storage.artifacts import Store
from benchmark.storage.manifests import Manifest, Ref
from tests.cli.running import kill_when_there_is, records, run


def test_a_finetuned_encoder_starts_from_its_pretraining_leaves_it_and_acts(home: Path) -> None:
    """`dynamo:finetuned` shares the pretraining of `dynamo`; its encoder differs afterwards, and is the one that acts."""
    assert run(home, "--methods", "dynamo,dynamo:finetuned", "--policies", "mlp", "joint.batch=4") == 0
    (pretrained,) = home.glob("pretrain/*/encoder.safetensors")
    before = load_file(pretrained)
    fits = [load_file(path) for path in home.glob("fit/*/last.safetensors")]
    (finetuned,) = [weights for weights in fits if "encoder.trunk.conv1.weight" in weights]
    assert len(fits) == 2
    changed = {name for name, value in before.items() if not torch.equal(value, finetuned[f"encoder.{name}"])}
    parameters = {name for name in before if "running" not in name and "num_batches" not in name}
    assert parameters <= changed, f"no gradient reached {parameters - changed}"
    for manifest in (Manifest.read(path.read_bytes()) for path in home.glob("rollout/*/manifest.json")):
        inputs = {name: Artifact.open(Store(home), Ref.parse(ref)) for name, ref in manifest.inputs.items()}
        spec = open_demos(inputs["demos"].folder).spec
        encoder, agent = load_acting(inputs["policy"], {}, inputs["encoder"], spec, "last", "cpu")
        joint = inputs["policy"].params(FitParams).joint is not None
        expected = finetuned if joint else {f"encoder.{name}": value for name, value in before.items()}
        assert (agent.encoder is encoder) == joint
        assert all(torch.equal(value, expected[f"encoder.{name}"]) for name, value in encoder.state_dict().items())


def test_parts_of_an_encoder_can_be_frozen_and_others_learn_at_rates_of_their_own(home: Path) -> None:
    rates = "joint.rates=[trunk.layer4.*:0.5,trunk.layer3.*:0.1]"
    assert run(home, "--methods", "random:finetuned", "--policies", "mlp", "joint.batch=4", rates) == 0
    before = load_file(next(home.glob("pretrain/*/encoder.safetensors")))
    after = load_file(next(home.glob("fit/*/last.safetensors")))
    changed = {name for name, value in before.items() if not torch.equal(value, after[f"encoder.{name}"])}
    assert changed == {name for name in before if name.startswith(("trunk.layer3", "trunk.layer4"))}


def test_results_say_whose_encoder_the_policy_trained(home: Path, tmp_path: Path) -> None:
    assert run(home, "--methods", "random:finetuned,end_to_end,random", "--policies", "mlp", "joint.batch=4") == 0
    assert main(["results", "export", str(tmp_path / "mine"), "--home", str(home)]) == 0
    cells = load(tmp_path / "mine").cells
    rows = {(m, v): joint for m, v, joint in zip(cells.method, cells.variant, cells.finetuned, strict=True)}
    assert rows == {("random", "finetuned"): True, ("end_to_end", ""): True, ("random", ""): False}


def test_end_to_end_continues_where_it_was_interrupted(home: Path, tmp_path: Path) -> None:
    arguments = ("--methods", "end_to_end", "--policies", "mlp", "fit.steps=30", "joint.batch=4", "fit.checkpoint_every=5")
    kill_when_there_is("building/fit-*/*/work/step*.json", home, *arguments, "machine.threads=1")
    assert not list(home.glob("fit/*/manifest.json")), "it was killed too late to mean anything"
    assert run(home, *arguments) == 0
    assert run(tmp_path / "whole", *arguments) == 0
    weights = [next(place.glob("fit/*/last.safetensors")).read_bytes() for place in (home, tmp_path / "whole")]
    assert weights[0] == weights[1]
    assert records(home) == records(tmp_path / "whole")


def test_knn_cannot_train_an_encoder(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(home, "--methods", "end_to_end,random", "--policies", "knn") == 0
    assert "no gradient that an encoder could be trained by" in capsys.readouterr().out
