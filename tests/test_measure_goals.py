"""What scripts/measure_goals.py says of a policy that is right, of one that knows nothing and of one that is told too late."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmark.contracts.data import DataSpec, Episode, Part
from benchmark.contracts.policy import Policy, PolicyConfig
from benchmark.contracts.specs import PolicySpec
from benchmark.data.episodes import Demos, DemosWriter, open_demos
from benchmark.methods.state import StateEncoder
from benchmark.models.agent import Agent
from benchmark.policies.rt1 import RT1, RT1Config
from tests.load_script import load_script

LENGTH, BINS = 5, 9


@pytest.fixture(scope="module")
def script() -> Any:
    return load_script("measure_goals")


@pytest.fixture
def demos(tmp_path: Path) -> Demos:
    """Two data sets; the second lacks the last number of an action. The state is the action and what the episode is for."""
    parts = [Part("one", 8, given=(True, True, True)), Part("two", 8, given=(True, True, False))]
    writer = DemosWriter(tmp_path, DataSpec("mixture", ("primary",), 4, 3, 0, 4, 10.0), parts=parts)
    rng, frames = np.random.default_rng(0), np.zeros((LENGTH, 1, 4, 4, 3), np.uint8)
    for episode in range(16):
        actions = rng.uniform(-1, 1, (LENGTH, 3)).astype(np.float32)
        actions[0], actions[1] = 1, -1  # so that normalised actions are actions
        actions[:, 2] *= episode < 8
        states = np.concatenate([actions, np.full((LENGTH, 1), episode, np.float32)], axis=1)
        writer.add(Episode(frames, actions, states, np.zeros((LENGTH, 0), np.float32)))
    writer.finish()
    return open_demos(tmp_path)


class ToldRight(Policy):
    """What was done if it is told the end of the same episode, else nothing."""

    def act(self, features: Tensor, goal: Tensor | None, rngs: Any) -> Tensor:
        assert goal is not None
        return features[:, -1:, :3] * (features[:, -1, 3] == goal[:, 3])[:, None, None]


class Marginal(RT1):
    """How often each class occurs, whatever it sees."""

    classes: Tensor

    def logits(self, features: Tensor, goal: Tensor | None, proprio: Tensor | None) -> Tensor:
        return self.classes.expand(*features.shape[:2], 3, BINS)


def agent_of(demos: Demos, policy: Policy) -> Agent:
    agent = Agent(policy)
    agent.fit_normalizers(None, demos.actions)
    return agent


def test_each_data_set_is_measured_by_its_own_mean_action_and_goals(script: Any, demos: Demos) -> None:
    agent = agent_of(demos, ToldRight(PolicyConfig(), PolicySpec(4, 3, goal_dim=4)))
    first, second = script.data_sets(agent, demos, 0.25)
    assert (first.name, second.name, first.dims, second.dims) == ("one", "two", [0, 1, 2], [0, 1])
    training = demos.split(0.25)[0]
    for number, data_set in enumerate((first, second)):
        own = demos.steps_of(training[demos.part_of[training] == number])
        np.testing.assert_allclose(data_set.mean, demos.actions[own].mean(0), atol=1e-6)
        assert (demos.part_of[data_set.held_out] == number).all()
        episode, stranger = data_set.held_out[:2]
        rows = demos.actions[demos.starts[episode] : demos.ends[episode]][:, data_set.dims]
        nothing = np.square(rows - demos.actions[own].mean(0)[data_set.dims]).mean()
        given = StateEncoder(4), agent, demos, episode
        right = script.scores(*given, episode, "pooled", data_set)["squared error"]
        wrong = script.scores(*given, stranger, "pooled", data_set)["squared error"]
        assert right == pytest.approx((0, nothing), abs=1e-6)
        assert wrong == pytest.approx((np.square(rows).mean(), nothing), abs=1e-6)


def test_intervals_are_over_held_out_episodes(script: Any, demos: Demos) -> None:
    agent = agent_of(demos, ToldRight(PolicyConfig(), PolicySpec(4, 3, goal_dim=4)))
    first, second = script.compared(StateEncoder(4), agent, demos, 0.25, "pooled", "cell")
    assert (first["data_set"], second["data_set"], first["episodes"]) == ("one", "two", 2)
    for row in (first, second):
        assert row["own"] == row["own_low"] == row["own_high"] == pytest.approx(0, abs=1e-6)
        assert row["other_low"] <= row["other"] <= row["other_high"]
        assert row["other_minus_own"] == pytest.approx(row["other"], abs=1e-6)
        assert row["other"] == pytest.approx(1, abs=0.2), "to do nothing is the mean action, all but its mean"


def test_classes_that_know_nothing_have_the_entropy_of_knowing_nothing(script: Any, demos: Demos) -> None:
    config = RT1Config(history=1, layers=1, heads=1, head_dim=2, width=4, bins=BINS, tokens=1)
    policy = Marginal(config, PolicySpec(4, 3)).eval()
    agent = agent_of(demos, policy)
    for data_set in script.data_sets(agent, demos, 0.25):
        assert torch.allclose(data_set.classes.exp().sum(-1), torch.ones(3))
        policy.classes = data_set.classes
        episode = data_set.held_out[0]
        scores = script.scores(StateEncoder(4), agent, demos, episode, episode, "pooled", data_set)
        entropy, nothing = scores["cross entropy"]
        assert entropy == pytest.approx(nothing)
        mean, usual = scores["squared error of the mean class"]
        assert mean == pytest.approx(usual, rel=0.2), "the mean of its classes is the mean action, but for rounding"
        assert scores["squared error"][0] > mean
