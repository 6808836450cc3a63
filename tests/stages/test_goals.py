"""Goals on their way through the stages: what is told in training, in rollouts and on recordings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmark import registry
from benchmark.cli.main import main
from benchmark.contracts.data import Observations
from benchmark.core.seeds import evaluation_seed
from benchmark.data.episodes import Demos, open_demos
from benchmark.models.features import encode, encode_goal
from benchmark.models.film_efficientnet import FilmEfficientNet
from benchmark.stages.base import Artifact
from benchmark.stages.load.agent import load_acting
from benchmark.storage.artifacts import MANIFEST
from benchmark.storage.manifests import Manifest
from benchmark.storage.records import read_records
from tests.stages.walks import Walks
from tests.toy import Toy

FLAGS = ["--preset", "smoke", "--quiet", "machine.threads=1", "machine.workers=0", "machine.cores=1", "embed.precision=fp32"]


@pytest.fixture
def env() -> Iterator[str]:
    registry.envs().add(Walks)
    yield Walks.name
    registry.envs().remove(Walks.name)


def run(home: Path, *arguments: str) -> None:
    assert main(["run", "--home", str(home), *FLAGS, *arguments]) == 0


def artifact(home: Path, kind: str) -> Artifact:
    (path,) = home.glob(f"{kind}/*/{MANIFEST}")
    return Artifact(path.parent, Manifest.read(path.read_bytes()))


def goals_of(demos: Demos, episode: int, kind: str) -> torch.Tensor:
    if kind == "language":
        return torch.tensor([demos.infos[episode]["language"]])
    return torch.from_numpy(demos.frames[[demos.ends[episode] - 1]])


@pytest.mark.parametrize(
    ("method", "policy", "goal"),
    [("early_fusion", "gc_bc", "future"), ("film_efficientnet", "rt1", "language")],
)
def test_a_recording_is_scored_with_its_own_goal(env: str, tmp_path: Path, method: str, policy: str, goal: str) -> None:
    """The recorded error is that of an agent that is told the end, or the words, of the demonstration that it is shown."""
    run(tmp_path, "--envs", env, "--methods", method, "--policies", policy, f"fit.goal={goal}", "fit.steps=4", "joint.batch=4")
    demos, fitted = open_demos(artifact(tmp_path, "demos").folder), artifact(tmp_path, "fit")
    assert fitted.manifest.summary["goal_dim"] == 0
    encoder, agent = load_acting(fitted, {}, artifact(tmp_path, "pretrain"), demos.spec, "last", "cpu")
    (episode,) = demos.split(0.1)[1]
    rows = np.arange(demos.starts[episode], demos.ends[episode])
    errors = {}
    for shown in (episode, (episode + 1) % len(demos)):
        told = encode_goal(encoder, goals_of(demos, shown, goal))
        told = told.expand(len(rows), *told.shape[1:])
        features = encode(encoder, Observations(frames=torch.from_numpy(demos.frames[rows]), told=told))
        config = agent.policy.config
        back = np.maximum(np.arange(len(rows))[:, None] - config.stride * np.arange(config.history)[::-1], 0)
        actions = agent.act(features[back], Observations(), [torch.Generator()] * len(rows))[:, 0]
        recorded = torch.from_numpy(demos.actions[rows])
        errors[shown] = float((agent.actions(actions) - agent.actions(recorded)).abs().mean())
    (record,) = read_records(artifact(tmp_path, "rollout").folder)
    assert record.metrics["action_error"] == pytest.approx(errors.pop(episode), rel=1e-4)
    if policy == "gc_bc":  # whose answers are no classes
        assert record.metrics["action_error"] != pytest.approx(*errors.values(), rel=1e-7)


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize("goal", ["last", "task"])
def test_a_simulator_is_played_towards_goals(tmp_path: Path, goal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What its encoder is told of an episode is the goal of a held-out demonstration of the same task."""
    told: list[torch.Tensor] = []
    read = FilmEfficientNet.read_goal

    def spy(self: Any, shown: torch.Tensor) -> torch.Tensor:
        if not self.training and not torch.is_grad_enabled():
            told.append(shown)
        return read(self, shown)

    monkeypatch.setattr(FilmEfficientNet, "read_goal", spy)
    flags = ["env.toy.episodes=12", "split.held_out=0.4", "fit.steps=2", "joint.batch=4", f"fit.goal={goal}"]
    run(tmp_path, "--envs", "toy", "--methods", "film_efficientnet", "--policies", "rt1", *flags)
    demos = open_demos(artifact(tmp_path, "demos").folder)
    held_out = demos.split(0.4)[1]
    if goal == "task":
        seeds = [evaluation_seed("toy", 0, episode) for episode in range(2)]
        asked = torch.eye(2)[[Toy.spec(None).tasks.index(Toy.task(None, seed)) for seed in seeds]]
        assert torch.equal(torch.cat([numbers for numbers in told if len(numbers) == 1]), asked)
    else:
        ends = torch.from_numpy(demos.frames[demos.ends[held_out] - 1, 0]).permute(0, 3, 1, 2)
        assert any(images.shape == ends.shape and torch.equal(images, ends) for images in told)
