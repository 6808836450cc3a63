"""Encoders that learn with a policy and are told where to go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmark.contracts.data import Chunks, DataSpec, Observations
from benchmark.contracts.encoder import Encoder, as_float
from benchmark.contracts.policy import Policy, PolicyConfig
from benchmark.contracts.specs import PolicySpec
from benchmark.data.augment import JOINT, NOTHING, Recipe
from benchmark.data.chunks import ChunkSampler
from benchmark.data.episodes import Demos
from benchmark.models.agent import Agent
from benchmark.models.encoders import build_backbone
from benchmark.models.features import encode, encode_goal
from benchmark.models.film_efficientnet import FilmEfficientNet
from benchmark.models.stacked_resnet import StackedResNet
from benchmark.policies.gc_bc import GCBC, GCBCConfig
from benchmark.policies.rt1 import RT1, RT1Config
from benchmark.training.joint import JointBatch, JointModel, with_observations
from tests.stages.walks import SIDE, STEPS, draw, walk

VIEWS = 2


class Pair(Encoder):
    """The mean of an image, and that of what it was told; it keeps what it was shown."""

    takes_goal = True
    dim = 2

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.shown: list[Tensor] = []

    def pooled(self, images: Tensor) -> Tensor:
        raise AssertionError("it was told nothing")

    def read_goal(self, goal: Tensor) -> Tensor:
        self.shown.append(goal)
        return as_float(goal).flatten(1).mean(1, keepdim=True)

    def towards(self, images: Tensor, told: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
        self.shown.append(images)
        return {"pooled": self.weight * torch.cat([as_float(images).flatten(1).mean(1, keepdim=True), told], dim=1)}


class Listener(Policy):
    """It keeps the batch that it is given."""

    def loss(self, batch: Chunks, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        self.batch = batch
        return batch.features.sum(), {}

    def act(self, features: Tensor, goal: Tensor | None, rngs: Sequence[torch.Generator]) -> Tensor:
        raise NotImplementedError


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def listening(augment: Recipe = NOTHING) -> tuple[JointModel, Any, Any]:
    encoder, policy = Pair(), Listener(PolicyConfig(history=3), PolicySpec(2 * VIEWS, 1))
    model = JointModel(Agent(policy, encoder), [("*", 1.0)], "fp32", "pooled", torch.zeros(9, 1), augment)
    return model.train(), encoder, policy


def pixels(*shape: int, seed: int = 0) -> Tensor:
    return torch.randint(0, 256, (*shape, VIEWS, 8, 8, 3), dtype=torch.uint8, generator=rng(seed))


def batch(goal: Tensor, observed: bool) -> JointBatch:
    none = torch.zeros(4, 1, 1)
    rows = torch.zeros(4, 3, dtype=torch.int64)
    return JointBatch(pixels(4, 3), none, none[..., 0].bool(), goal, rows, rows[:, 0] if observed else None)


@pytest.mark.parametrize("observed", [True, False], ids=["images", "numbers"])
def test_every_observation_is_looked_at_with_the_goal_of_its_sample(observed: bool) -> None:
    model, _, policy = listening()
    goal = pixels(4, seed=1) if observed else torch.rand(4, 5, generator=rng())
    sample = batch(goal, observed)
    model.loss(sample, rng())
    given = policy.batch.features.unflatten(-1, (VIEWS, 2))
    seen = (sample.features / 255).mean((-1, -2, -3))
    told = (goal / 255).mean((-1, -2, -3)) if observed else goal.mean(1, keepdim=True).expand(-1, VIEWS)
    torch.testing.assert_close(given[..., 0], seen)
    torch.testing.assert_close(given[..., 1], told[:, None].expand(-1, 3, -1))
    assert policy.batch.goal is None, "the policy is not told again"


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_encoder_computes_in_its_own_precision(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the goal, too; the policy after it does not."""
    reduced: list[bool] = []
    for name in ("read_goal", "towards"):
        plain = getattr(Pair, name)

        def noted(self: Pair, *given: Any, plain: Any = plain) -> Any:
            reduced.append(torch.is_autocast_enabled("cpu"))
            return plain(self, *given)

        monkeypatch.setattr(Pair, name, noted)
    agent = Agent(Listener(PolicyConfig(history=3), PolicySpec(2 * VIEWS, 1)), Pair())
    model = JointModel(agent, [("*", 1.0)], precision, "pooled", torch.zeros(9, 1), NOTHING)
    model.loss(batch(pixels(4, seed=1), observed=True), rng())
    assert reduced == [precision == "bf16"] * 2
    assert not torch.is_autocast_enabled("cpu")


def test_an_observation_its_history_and_its_goal_are_augmented_alike() -> None:
    """Drawn per sample, and in training only."""
    model, encoder, _ = listening(JOINT["bridge"])
    same = pixels(1)[None].expand(4, 3, -1, -1, -1, -1)
    sample = replace(batch(same[:, 0], observed=True), features=same)
    model.loss(sample, rng())
    goal, images = encoder.shown
    goal, images = goal.unflatten(0, (4, VIEWS)), images.unflatten(0, (4, 3, VIEWS))
    assert torch.equal(images, goal[:, None].expand_as(images))
    assert all(not torch.equal(images[0], other) for other in images[1:])
    encoder.shown.clear()
    model.eval().loss(sample, rng())
    assert all(image.dtype == torch.uint8 for image in encoder.shown)


def test_goals_in_numbers_are_not_augmented() -> None:
    model, encoder, _ = listening(JOINT["bridge"])
    numbers = torch.rand(4, 5, generator=rng())
    model.loss(batch(numbers, observed=False), rng())
    assert torch.equal(encoder.shown[0], numbers)


def test_the_augmentation_of_gc_bc_is_the_published_one() -> None:
    """bridge_data_v2, experiments/configs/train_config.py: scale, ratio, brightness, contrast, saturation, hue."""
    recipe = JOINT["bridge"]
    assert (recipe.crop, recipe.ratio) == (0.8, (0.9, 1.1))
    assert (recipe.jitter, recipe.jitter_p) == ((0.2, 0.2, 0.2, 0.1), 1.0)
    drawn = recipe._draw(500, 96, 96, rng())
    ratio = drawn["width"] / drawn["height"]
    assert 0.88 < ratio.min() < 0.93
    assert 1.07 < ratio.max() < 1.12
    assert (drawn["width"] * drawn["height"]).min() > 0.77 * 96**2


# ------------------------------------------------------------------------------------------------------------ learning

EPISODES, HELD_OUT = 60, 12
LEARNERS: dict[str, tuple[int, Any, Any]] = {  # steps, encoder, policy
    "early fusion, gc_bc": (60, lambda: StackedResNet((1, 1, 1, 1), 8), lambda spec: GCBC(GCBCConfig(hidden=64), spec)),
    "late fusion, gc_bc": (60, lambda: build_backbone("resnet18", 8, SIDE), lambda spec: GCBC(GCBCConfig(hidden=64), spec)),
    "film, rt1": (
        120,
        lambda: FilmEfficientNet("test_efficientnet", None, told=16, width=16, tokens=4, drop_path=0.0),
        lambda spec: RT1(RT1Config(history=2, layers=1, heads=2, head_dim=16, width=32, bins=32, dropout=0.0), spec),
    ),
}


def walks() -> Demos:
    played = [walk(np.random.default_rng(index)) for index in range(EPISODES)]
    states, actions = (np.concatenate(parts).astype(np.float32) for parts in zip(*played, strict=True))
    frames = np.stack([draw(state[:2]) for state in states])
    spec = DataSpec("walks", ("top",), SIDE, 2, 2, 4, 10.0)
    return Demos(spec, frames, actions, states, states[:, :2], STEPS * np.arange(1, EPISODES + 1), [{}] * EPISODES)


def trained(encoder: Encoder, policy_of: Any, demos: Demos, steps: int) -> Agent:
    sizes = PolicySpec(encoder.dim, 2, 0 if encoder.takes_goal else encoder.dim, tokens=encoder.tokens)
    agent = Agent(policy_of(sizes), encoder)
    agent.fit_normalizers(None, demos.actions)
    model = JointModel(agent, [("*", 1.0)], "fp32", "pooled", torch.zeros(len(demos.actions), 0)).train()
    config = replace(agent.policy.config, batch_size=32)
    sampler = ChunkSampler(
        torch.zeros(len(demos.actions), 1),
        agent.actions(torch.from_numpy(demos.actions)),
        demos.starts,
        demos.ends,
        np.arange(HELD_OUT, EPISODES),
        config,
        goals="last",
        taken=agent.policy.every_step,
    )
    parameters = [parameter for group in model.groups() for parameter in group.params]
    optimizer = torch.optim.Adam(parameters, lr=3e-3)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 3e-3 * (1 - step / steps)
        loss, _ = model.loss(with_observations(sampler.batch_at(step), demos), rng(step))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return agent.eval()


@torch.no_grad()
def error(encoder: Encoder, agent: Agent, demos: Demos, stranger: int) -> float:
    """Of the first action of held-out demonstrations, told the end of the one so many further on."""
    first = torch.from_numpy(demos.frames[demos.starts[:HELD_OUT]])
    goal = torch.from_numpy(demos.frames[np.roll(demos.ends[:HELD_OUT] - 1, stranger)])
    told = encode_goal(encoder, goal) if encoder.takes_goal else None
    features = encode(encoder, Observations(frames=first, told=told))[:, None].expand(-1, agent.policy.config.history, -1)
    seen = None if encoder.takes_goal else encode(encoder, Observations(frames=goal))
    actions = agent.act(features, Observations(goal=seen), [rng()] * HELD_OUT)[:, 0]
    return float((actions - torch.from_numpy(demos.actions[demos.starts[:HELD_OUT]])).square().mean())


@pytest.mark.parametrize("name", LEARNERS)
def test_it_learns_to_go_where_the_goal_is(name: str) -> None:
    """A goal is all that tells one first step from another."""
    torch.manual_seed(0)
    demos, (steps, build, policy_of) = walks(), LEARNERS[name]
    encoder = build()
    agent = trained(encoder, policy_of, demos, steps)
    actions = demos.actions[demos.starts[:HELD_OUT]]
    knowing_nothing = float(np.square(actions - demos.actions[demos.starts[HELD_OUT:]].mean(0)).mean())
    assert error(encoder, agent, demos, 0) < 0.5 * knowing_nothing
    assert error(encoder, agent, demos, 1) > knowing_nothing
