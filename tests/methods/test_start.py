"""Where training starts: from nothing, or from ImageNet."""

from __future__ import annotations

import pytest
import torch

from benchmark import registry
from benchmark.contracts.presets import component_config
from benchmark.core.errors import BenchmarkError
from benchmark.launch.availability import unavailable_cells, unavailable_stages
from benchmark.planning.keys import modules_behind
from benchmark.planning.recipes import make_plan
from benchmark.planning.request import Request
from benchmark.planning.variants import variants_of, with_variant
from benchmark.stages.params.pretrain import Budget
from benchmark.stages.pretrain import steps_of
from benchmark.storage.artifacts import Store
from tests.learning import build

STARTERS = [
    name
    for name in registry.methods().names()
    if "imagenet_init" in variants_of(cls := registry.methods().get(name), cls.Config())
]


@pytest.mark.parametrize("name", STARTERS)
def test_imagenet_init_starts_from_the_published_network_and_so_do_targets(name, data, published):
    cls = registry.methods().get(name)
    config = with_variant(cls, component_config(cls, "smoke", "fake"), "imagenet_init", "")
    method = build(cls, data, **vars(config))
    copies = [module.weight for path, module in method.named_modules() if path.endswith("trunk.conv1")]
    assert copies
    assert all(torch.equal(weight, published.conv1.weight) for weight in copies)
    assert config.width == 64


def test_rows_that_can_start_from_imagenet():
    assert {"byol", "dynamo", "end_to_end", "moco_v3", "vicreg_t"} <= set(STARTERS)
    assert not {"random", "state", "imagenet", "mae", "rpt_sensorimotor"} & set(STARTERS)


def test_without_the_file_the_row_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setenv("BENCHMARK_WEIGHTS", str(tmp_path))
    names = ["dynamo", "dynamo:imagenet_init", "end_to_end:imagenet_init"]
    plan, store = make_plan(Request(methods=names)), Store(tmp_path / "runs").prepare()
    reasons = {cell.row: reason for cell, reason in unavailable_cells(plan, unavailable_stages(plan, store), store).items()}
    assert set(reasons) == set(names[1:])
    assert all("weights fetch imagenet" in reason for reason in reasons.values())


def test_weights_do_not_enter_the_keys_of_demonstrations():
    """A new message about a download must not record everything anew."""
    assert "benchmark.methods._shared.published" not in modules_behind("benchmark.stages.demos")
    assert "benchmark.models.weights" in modules_behind("benchmark.stages.pretrain", "benchmark.methods.dynamo")


def test_published_learning_rate_of_fine_tuning():
    """DynaMo paper, Table 11: 1e-5 where Table 9 has 1e-4."""
    cls = registry.methods().get("dynamo")
    config = component_config(cls, "paper", "kitchen")
    assert with_variant(cls, config, "imagenet_init", "kitchen").lr == pytest.approx(config.lr / 10)


def test_dynamo_starts_from_imagenet_as_the_paper_does_in_each_environment():
    """Tables 10 and 11: a moving average in LIBERO, no dropout in Block Pushing, warm-up and cosine everywhere."""
    cls = registry.methods().get("dynamo")

    def started(env):
        return with_variant(cls, component_config(cls, "paper", env), "imagenet_init", env)

    assert (started("libero_goal").target, started("block_push").target, started("kitchen").target) == ("ema", "ema", "simsiam")
    assert {started(env).forward_dropout for env in ("kitchen", "block_push", "pusht", "libero_goal")} == {0.0}
    warmed = ("kitchen", "block_push", "libero_goal")
    assert {(started(env).schedule, started(env).warmup) for env in warmed} == {("cosine", 0.125)}
    assert {started(env).context for env in ("kitchen", "pusht")} == {2, 5}


def test_imagenet_fits_no_other_network():
    cls = registry.methods().get("byol")
    with pytest.raises(BenchmarkError, match="width=64"):
        cls.Config(init="imagenet", width=16)


def test_equal_steps_does_not_count_what_a_step_reads():
    class Sampler:
        steps_per_epoch = 7

        def __init__(self, frames_per_step):
            self.frames_per_step = frames_per_step

    def steps(frames_per_step, **fields):
        budget = Budget(frames=6400)
        return steps_of(budget, Sampler(frames_per_step), registry.methods().get("byol").Config(**fields))

    assert [steps(n) for n in (64, 128)] == [100, 50]
    assert [steps(n, equal_steps=True) for n in (64, 128)] == [100, 100]


@pytest.mark.parametrize(
    ("row", "rate"),
    [("end_to_end", 1.0), ("end_to_end:imagenet_init", 0.1), ("byol:finetuned", 0.1), ("imagenet:finetuned", 0.1)],
)
def test_an_encoder_learns_with_its_policy_as_fast_as_it_does_if_it_starts_from_nothing(row, rate):
    """And a tenth as fast where it was trained before: Tables 9 and 11 of the DynaMo paper."""
    plan = make_plan(Request([row], ["pusht"], ["mlp"], 1, "smoke", []))
    (cell,) = plan.cells
    assert plan.stages[cell.stages["fit"]].params.joint.rates == (("*", rate),)
