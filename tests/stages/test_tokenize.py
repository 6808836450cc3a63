"""A tokenizer that all encoders share is the one that each of their fits would have made."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from benchmark import registry
from benchmark.cli.main import main
from benchmark.conformance.policies import fitted_tokenizer
from benchmark.contracts.data import Chunks
from benchmark.contracts.policy import ActionTokenizer
from benchmark.core.errors import BenchmarkError
from benchmark.policies._shared.residual_vq import ResidualVQ
from benchmark.policies.bet import BeT, Bins
from benchmark.policies.vqbet import VQBeT

pytestmark = pytest.mark.usefixtures("spies")
SEED = 3


class InPlace:
    """Prepares in its fit, from the samples there, what the policies of `benchmark` get from a stage."""

    Tokenizer = None

    def prepare(self: Any, samples: Chunks, rng: torch.Generator) -> None:
        cls = type(self).__mro__[2].Tokenizer
        tokenizer = fitted_tokenizer(cls, self.config, samples.actions, SEED)
        self.tokenizer.load_state_dict(tokenizer.state_dict())


class VQBeTInPlace(InPlace, VQBeT):
    name = "vqbet_in_place"


class BeTInPlace(InPlace, BeT):
    name = "bet_in_place"


@pytest.fixture
def _in_place() -> Iterator[None]:
    for cls in (VQBeTInPlace, BeTInPlace):
        registry.policies().add(cls)
    yield
    for cls in (VQBeTInPlace, BeTInPlace):
        registry.policies().remove(cls.name)


def run(home: Path, *arguments: str) -> None:
    flags = ["--envs", "recordings", "--preset", "smoke", "--home", str(home), "--quiet", "--first-seed", str(SEED)]
    settings = ["machine.threads=1", "machine.workers=0", "split.held_out=0.25", "rollout.episodes=1", "rollout.slots=1"]
    assert main(["run", *flags, *arguments, *settings, "fit.steps=6", "joint.batch=4"]) == 0


def fitted(home: Path) -> dict[str, dict[str, torch.Tensor]]:
    """The weights of each policy, by the label of its fit."""
    manifests = [(path.parent, json.loads(path.read_text())) for path in home.glob("fit/*/manifest.json")]
    return {manifest["label"]: load_file(folder / "last.safetensors") for folder, manifest in manifests}


@pytest.mark.usefixtures("_in_place")
@pytest.mark.parametrize("name", ["vqbet", "bet"])
def test_a_fit_with_the_stage_is_the_one_that_prepares_in_place_to_the_bit(tmp_path: Path, name: str) -> None:
    """Whatever the features, with proprioception, and where the encoder learns, too."""
    methods = "state,random,random:finetuned"
    run(tmp_path, "--methods", methods, "--policies", f"{name},{name}_in_place", "fit.proprio=true")
    fits = fitted(tmp_path)
    shared = {label: weights for label, weights in fits.items() if "in_place" not in label}
    assert len(shared) == 3
    for label, weights in shared.items():
        alone = fits[label.replace(name, f"{name}_in_place")]
        assert weights.keys() == alone.keys()
        assert all(torch.equal(weights[key], alone[key]) for key in weights), label
    (tokenizer,) = tmp_path.glob("tokenize/*/tokenizer.safetensors")
    for key, tensor in load_file(tokenizer).items():
        assert tensor.any(), f"{key} was fitted"
        assert all(torch.equal(weights[f"policy.tokenizer.{key}"], tensor) for weights in shared.values())


def test_a_training_seed_has_a_tokenizer_of_its_own(tmp_path: Path) -> None:
    run(tmp_path, "--methods", "state", "--policies", "vqbet", "--seeds", "2")
    one, two = (load_file(path) for path in tmp_path.glob("tokenize/*/tokenizer.safetensors"))
    assert not any(torch.equal(one[key], two[key]) for key in ("encoder.0.weight", "codebooks"))


def test_tokenizers_of_two_seeds_start_apart() -> None:
    """By more than a step of training moves them."""
    config = VQBeT.Config(**VQBeT.presets["smoke"] | {"tokenizer_epochs": 1})
    one, two = (fitted_tokenizer(ResidualVQ, config, torch.rand(8, 4, 2), seed).state_dict() for seed in (0, 1))
    assert (one["encoder.0.weight"] - two["encoder.0.weight"]).abs().mean() > 0.05


def test_a_policy_without_a_tokenizer_has_no_such_stage(tmp_path: Path) -> None:
    run(tmp_path, "--methods", "state", "--policies", "mlp,knn,clock")
    assert not list((tmp_path / "tokenize").iterdir())


def test_a_tokenizer_that_nothing_fits_is_refused() -> None:
    """Such as one that still has the `fit` of earlier versions."""

    class Unfitted(ActionTokenizer):
        def fit(self, actions: torch.Tensor, rng: torch.Generator) -> None:
            raise AssertionError("this is not asked for")

    with pytest.raises(BenchmarkError, match="Unfitted is fitted to nothing: it implements neither `prepare` nor"):
        fitted_tokenizer(Unfitted, BeT.Config(), torch.zeros(8, 1, 2))


def test_a_tokenizer_with_a_number_that_is_none_is_not_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever it was that broke it."""
    prepare = Bins.prepare

    def broken(self: Any, actions: torch.Tensor, rng: torch.Generator) -> None:
        prepare(self, actions, rng)
        next(iter(self.state_dict().values())).view(-1)[0] = torch.nan

    monkeypatch.setattr(Bins, "prepare", broken)
    with pytest.raises(AssertionError):
        run(tmp_path, "--methods", "state", "--policies", "bet")
    assert "NaN or infinite numbers after its fit" in capsys.readouterr().err
    assert not list(tmp_path.glob("tokenize/*/tokenizer.safetensors"))
