"""What a run says it did, against what its components saw and a count by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from benchmark.cli.main import main
from benchmark.results.export import load
from tests.stages.spies import DIM, EPISODES, LENGTH, VIEWS, Clock, Flat, Tally

pytestmark = pytest.mark.usefixtures("spies")
BATCH, WINDOW = 8, 2
TRAINING = EPISODES - 2  # a quarter is held out


def run(home: Path, *arguments: str) -> None:
    flags = ["--envs", "recordings", "--preset", "smoke", "--home", str(home), "--quiet"]
    settings = ["machine.threads=1", "machine.workers=0", "split.held_out=0.25", "rollout.episodes=1", "rollout.slots=1"]
    assert main(["run", *flags, "--policies", "clock", *arguments, *settings]) == 0


def cells(home: Path, tmp_path: Path) -> Any:
    """The exported row of each variant."""
    assert main(["results", "export", str(tmp_path / "export"), "--home", str(home), "--quiet"]) == 0
    return load(tmp_path / "export").cells.set_index("variant")


def test_frames_steps_and_flops_are_counted_right(tmp_path: Path) -> None:
    run(tmp_path, "--methods", "tally", "pretrain.steps=5")
    row = cells(tmp_path, tmp_path).loc[""]
    assert Tally.steps == [(step, 5) for step in range(5)]
    assert row.gradient_steps == 5
    assert row.frames_seen == Tally.frames == 5 * BATCH * WINDOW * VIEWS
    assert row.encoder_gflops == pytest.approx(Flat.flops / 1e9), "of one image: the number of cameras is the environment's"
    assert row.feature_dim == VIEWS * DIM


@pytest.mark.parametrize(
    ("budget", "steps"),
    [
        ("pretrain.frames=960", 960 // (BATCH * WINDOW * VIEWS)),
        ("pretrain.epochs=2", 2 * (TRAINING * (LENGTH - WINDOW + 1) // BATCH)),
    ],
)
def test_a_budget_buys_the_steps_that_its_unit_says(tmp_path: Path, budget: str, steps: int) -> None:
    run(tmp_path, "--methods", "tally", budget)
    assert [step for step, _ in Tally.steps] == list(range(steps))
    assert cells(tmp_path, tmp_path).gradient_steps.tolist() == [steps]


def test_equal_steps_cost_64_frames_each_whatever_is_read(tmp_path: Path) -> None:
    run(tmp_path, "--methods", "tally:equal_steps", "pretrain.frames=960")
    row = cells(tmp_path, tmp_path).loc["equal_steps"]
    assert row.gradient_steps == len(Tally.steps) == 960 // 64
    assert row.frames_seen == Tally.frames == 960 // 64 * BATCH * WINDOW * VIEWS


def test_frames_that_a_finetuned_encoder_sees_with_its_policy_count(tmp_path: Path) -> None:
    run(tmp_path, "--methods", "tally:finetuned", "pretrain.steps=5", "fit.steps=10", "joint.batch=4")
    row = cells(tmp_path, tmp_path).loc["finetuned"]
    pretraining, history = 5 * BATCH * WINDOW * VIEWS, 2
    assert Clock.frames == 10 * 4 * history * VIEWS
    assert row.frames_seen == pretraining + Clock.frames
    assert Clock.steps == [(step, 10) for step in range(10)], "after_step of the policy inside the joint model"
    assert Clock.acted == {10}


@pytest.mark.parametrize(("checkpoint", "age"), [("validation", Clock.BEST), ("last", 30)])
def test_the_checkpoint_that_acts_is_the_one_that_was_chosen(tmp_path: Path, checkpoint: str, age: int) -> None:
    """Checkpoints at the ages 10, 20 and 30; the loss on held-out demonstrations is lowest at 20."""
    run(tmp_path, "--methods", "random", "fit.steps=30", "fit.checkpoint_every=10", f"rollout.checkpoint={checkpoint}")
    assert Clock.acted == {age}


@pytest.mark.parametrize("method", ["tally", "tally:finetuned"])
def test_a_policy_learns_from_normalised_features_and_actions(tmp_path: Path, method: str) -> None:
    run(tmp_path, "--methods", method, "method.tally.lr=1e-9", "fit.steps=10", "joint.batch=64")
    (samples,) = Clock.prepared
    now = samples.features[:, -1]
    assert len(now) == TRAINING * LENGTH
    torch.testing.assert_close(now.mean(0), torch.zeros(VIEWS * DIM), atol=1e-3, rtol=0)
    torch.testing.assert_close(now.std(0, correction=0), torch.ones(VIEWS * DIM), atol=1e-2, rtol=0)
    assert samples.actions.amax() == pytest.approx(1, abs=1e-5)
    assert samples.actions.amin() == pytest.approx(-1, abs=1e-5)
    assert Clock.batches[0].std() == pytest.approx(1, abs=0.3), "computed from images where the encoder is trained, too"


def test_without_standardising_a_policy_is_fed_features_as_they_are_but_the_state_still_scaled(tmp_path: Path) -> None:
    run(tmp_path, "--methods", "tally,state", "fit.steps=10", "fit.standardise=false")
    state, raw = (samples.features[:, -1] for samples in Clock.prepared)  # the ceiling runs first
    assert raw.mean(0).abs().max() > 0.2
    torch.testing.assert_close(state.std(0, correction=0).amax(), torch.tensor(1.0), atol=1e-2, rtol=0)


@pytest.mark.parametrize(("precision", "half"), [("fp32", False), ("bf16", True)])
def test_embedding_and_rollouts_see_features_of_the_precision_that_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str, half: bool
) -> None:
    seen: dict[bool, int] = {}
    pooled = Flat.pooled

    def watched(self: Flat, images: torch.Tensor) -> torch.Tensor:
        if not torch.is_grad_enabled():  # not pretraining
            seen[torch.is_autocast_enabled("cpu")] = seen.get(torch.is_autocast_enabled("cpu"), 0) + 1
        return pooled(self, images)

    monkeypatch.setattr(Flat, "pooled", watched)
    run(tmp_path, "--methods", "tally", "pretrain.steps=1", "fit.steps=1", f"embed.precision={precision}")
    assert list(seen) == [half]
    assert seen[half] > 3, "frames of demonstrations, and then those of episodes"
    for kind in ("embed", "rollout"):
        (manifest,) = tmp_path.glob(f"{kind}/*/manifest.json")
        assert json.loads(manifest.read_text())["machine"]["precision"] == precision


def test_a_variant_trains_with_its_own_settings(tmp_path: Path) -> None:
    run(tmp_path, "--methods", "tally,tally:shaded")
    assert Tally.shades == {0.0, 1.0}


def test_training_seeds_start_from_different_weights(tmp_path: Path) -> None:
    run(tmp_path, "--methods", "tally", "--seeds", "2", "pretrain.steps=1", "fit.steps=1", "method.tally.lr=1e-9")
    for pattern, name in (("pretrain/*/encoder.safetensors", "map.weight"), ("fit/*/last.safetensors", "policy.net.weight")):
        one, two = (load_file(path)[name] for path in tmp_path.glob(pattern))
        assert (one - two).abs().max() > 0.01


def test_nothing_is_published_before_it_is_whole(tmp_path: Path) -> None:
    Tally.store = tmp_path
    run(tmp_path, "--methods", "tally", "pretrain.steps=5")
    assert len(Tally.steps) == 5
    assert not Tally.published, "an artifact that is being built is nobody's input"
    assert len(list(tmp_path.glob("pretrain/*/manifest.json"))) == 1
