"""What a policy is told, by a policy that writes it down: noise of validation, goals, language, and how it is to act."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from benchmark import registry
from benchmark.cli.images import visualizations
from benchmark.cli.main import main
from benchmark.contracts.data import Chunks
from benchmark.contracts.policy import Policy, PolicyConfig, acting
from benchmark.core.progress import Reporter
from benchmark.core.seeds import evaluation_seed
from benchmark.data.episodes import Demos, open_demos
from benchmark.launch.execute import Executor
from benchmark.planning.recipes import make_plan
from benchmark.planning.request import Request
from benchmark.stages import open_loop
from benchmark.stages.base import Execution
from benchmark.stages.load import agent as loading
from benchmark.stages.load.agent import load_acting
from benchmark.storage.artifacts import Store
from tests.stages.spies import Flat
from tests.stages.test_goals import artifact
from tests.stages.walks import Walks
from tests.toy import Guided, Toy, _Walk

HELD_OUT = 0.5


@dataclass
class NotedConfig(PolicyConfig):
    tone: float = acting(1.0)


class Noted(Policy):
    """It notes what it is told, by the seed of its row's generator, and acts at random."""

    name = "noted"
    Config = NotedConfig
    presets = {"smoke": {"batch_size": 16}}
    inputs: ClassVar[tuple[str, ...]] = ("features", "language")
    checks: ClassVar[list[float]]  # a number that was drawn for each batch of validation
    batches: ClassVar[list[Chunks]]
    tones: ClassVar[set[float]]
    goals: ClassVar[dict[int, Tensor]]
    languages: ClassVar[dict[int, Tensor]]

    @classmethod
    def reset(cls) -> None:
        cls.checks, cls.batches, cls.tones, cls.goals, cls.languages = [], [], set(), {}, {}

    def __init__(self, config: Any, spec: Any):
        super().__init__(config, spec)
        self.net = nn.Linear(spec.feature_dim, 1)

    def loss(self, batch: Chunks, rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        if self.training:
            Noted.batches.append(batch)
        else:
            Noted.checks.append(float(torch.rand((), generator=rng)))
        return self.net(batch.features).square().mean(), {}

    def act(
        self, features: Tensor, goal: Tensor | None, rngs: Sequence[torch.Generator], language: Tensor | None = None
    ) -> Tensor:
        Noted.tones.add(self.config.tone)
        for row, rng in enumerate(rngs):
            for told, notes in ((goal, Noted.goals), (language, Noted.languages)):
                if told is not None:
                    notes[rng.initial_seed()] = told[row].clone()
        noise = [torch.rand(self.config.chunk, self.spec.action_dim, generator=rng) for rng in rngs]
        return 2 * torch.stack(noise) - 1


class Wordless(Noted):
    """The same for demonstrations without language."""

    name = "wordless"
    inputs = ("features",)


class Talking(Guided):
    """The toy, whose every demonstration has words of its own."""

    name = "talking"

    def expert(self, seed: int) -> Any:
        expert = _Walk(self, np.random.default_rng(seed))
        expert.info = {"task": self._task, "language": [*map(float, self.state()), 0.5]}
        return expert


ENVS, POLICIES = (Talking, Walks), (Noted, Wordless)


@pytest.fixture(autouse=True)
def _registered(spies: None) -> Iterator[None]:
    for env in ENVS:
        registry.envs().add(env)
    for policy in POLICIES:
        registry.policies().add(policy)
    Noted.reset()
    yield
    for env in ENVS:
        registry.envs().remove(env.name)
    for policy in POLICIES:
        registry.policies().remove(policy.name)


SETTINGS = ["machine.threads=1", "machine.workers=0", f"split.held_out={HELD_OUT}", "fit.steps=6", "fit.checkpoint_every=3"]
ONE = ["fit.dagger.episodes=1", "rollout.episodes=1", "rollout.slots=1"]


def run(home: Path, env: str, policy: str, *settings: str, method: str = "state") -> None:
    names = ["--envs", env, "--methods", method, "--policies", policy, "--preset", "smoke", "--home", str(home), "--quiet"]
    assert main(["run", *names, *SETTINGS, *settings]) == 0


def shown(home: Path) -> Demos:
    return open_demos(artifact(home, "demos").folder)


def words(demos: Demos, episodes: Sequence[int] | np.ndarray) -> set[tuple[float, ...]]:
    return {tuple(np.array(demos.infos[episode]["language"], np.float32).tolist()) for episode in episodes}


def test_each_check_of_a_fit_draws_the_same_noise(tmp_path: Path) -> None:
    """Otherwise losses of two checks differ by chance, and a fit that was resumed would choose another checkpoint."""
    run(tmp_path, "recordings", "wordless")
    first, second = np.split(np.array(Noted.checks), 2)
    assert np.array_equal(first, second)
    assert len(set(first)) > 1, "within a check it goes on"


def test_goals_in_hindsight_reach_the_training(tmp_path: Path) -> None:
    """Goals of a batch are from now to the end of the episode, and not all of them its end."""
    run(tmp_path, "talking", "wordless", "fit.goal=future", "env.talking.episodes=6")
    demos = shown(tmp_path)
    ends = np.repeat(demos.ends, demos.lengths)
    early = 0
    for batch in Noted.batches:
        assert batch.rows is not None
        assert batch.goal_rows is not None
        now, goal = batch.rows[:, -1].numpy(), batch.goal_rows.numpy()
        assert (now <= goal).all()
        assert (goal < ends[now]).all()
        early += int((goal < ends[now] - 1).sum())
    assert early > len(Noted.batches)


@pytest.mark.parametrize("what", ["goal", "language"])
def test_a_rollout_is_told_the_words_of_held_out_demonstrations_of_its_task(tmp_path: Path, what: str) -> None:
    """Not always those of the same one."""
    count = 24
    settings = ["env.talking.episodes=24", f"rollout.episodes={count}", "rollout.slots=8"]
    policy = "noted" if what == "language" else "wordless"
    run(tmp_path, "talking", policy, *settings, *(["fit.goal=language"] if what == "goal" else []))
    demos = shown(tmp_path)
    told = Noted.goals if what == "goal" else Noted.languages
    seeds = [evaluation_seed("talking", 0, number) for number in range(count)]
    heard: dict[str, set[tuple[float, ...]]] = {"left": set(), "right": set()}
    for seed in seeds:
        heard[Toy.task(None, seed)].add(tuple(told[seed].tolist()))
    for task, each in heard.items():
        fitting = [episode for episode in demos.split(HELD_OUT)[1] if demos.infos[episode]["task"] == task]
        assert len(fitting) > 1, "or the next line says nothing"
        assert len(each) > 1
        assert each <= words(demos, fitting)


def test_the_goal_of_a_rollout_is_normalised_as_features_are(tmp_path: Path) -> None:
    run(tmp_path, "talking", "wordless", "fit.goal=last", "fit.standardise=true", "env.talking.episodes=8")
    demos, fitted = shown(tmp_path), artifact(tmp_path, "fit")
    _, agent = load_acting(fitted, {}, artifact(tmp_path, "pretrain"), demos.spec, "last", "cpu")
    states = torch.from_numpy(demos.states[demos.ends[demos.split(HELD_OUT)[1]] - 1])
    expected = agent.observe(states)
    assert (expected - states).abs().max() > 0.1, "normalising changes them"
    for number in range(2):
        goal = Noted.goals[evaluation_seed("talking", 0, number)]
        assert (expected - goal).abs().amax(1).min() < 1e-5


def test_a_goal_is_encoded_in_the_precision_of_the_rollout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As all that the encoder is shown there."""
    reduced: list[bool] = []
    pooled = Flat.pooled

    def noted(self: Flat, images: Tensor) -> Tensor:
        if not self.training:
            reduced.append(torch.is_autocast_enabled("cpu"))
        return pooled(self, images)

    monkeypatch.setattr(Flat, "pooled", noted)
    settings = ["fit.goal=last", "env.talking.episodes=6", "embed.precision=bf16", "rollout.episodes=1", "rollout.slots=1"]
    run(tmp_path, "talking", "wordless", *settings, method="tally")
    assert reduced
    assert all(reduced)


def test_a_recording_is_scored_with_its_own_words_and_new_noise_at_every_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However it is cut into batches."""
    monkeypatch.setattr(open_loop, "BATCH", 5)
    run(tmp_path, "walks", "noted")
    demos = shown(tmp_path)
    held_out = demos.split(HELD_OUT)[1]
    assert {tuple(told.tolist()) for told in Noted.languages.values()} == words(demos, held_out)
    assert len(Noted.languages) == demos.lengths[held_out].sum() > 5 * len(held_out)


def test_the_policy_collects_with_the_settings_of_the_recipe(tmp_path: Path) -> None:
    run(tmp_path, "talking", "wordless", "policy.wordless.tone=3", "fit.dagger.rounds=1", *ONE)
    assert Noted.tones == {3.0}


def test_words_are_not_said_of_what_is_collected() -> None:
    settings = ["fit.dagger.rounds=1", "policy.noted.chunk=1", "policy.noted.execute=1"]
    [cell] = make_plan(Request(["state"], ["talking"], ["noted"], preset="smoke", overrides=settings)).cells
    assert "noted is told in words what to do" in str(cell.refused)


def test_what_collects_and_what_is_shown_act_with_the_checkpoint_of_the_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def noted(path: Path) -> dict[str, Tensor]:
        asked.append(path.stem)
        return load_file(path)

    monkeypatch.setattr(loading, "load_file", noted)
    settings = ["rollout.checkpoint=validation", "fit.dagger.rounds=1", *ONE]
    run(tmp_path, "talking", "wordless", *settings)
    assert main(["report", "--home", str(tmp_path), "--output", str(tmp_path / "report.html"), "--quiet"]) == 0
    assert asked == ["validation"] * 3, "a round, a rollout, images"


def test_images_are_of_a_held_out_demonstration_with_the_settings_of_the_recipe(tmp_path: Path) -> None:
    settings = [*SETTINGS, "policy.wordless.tone=3"]
    run(tmp_path, "walks", "wordless", "policy.wordless.tone=3")
    Noted.reset()
    plan = make_plan(Request(["state"], ["walks"], ["wordless"], preset="smoke", overrides=settings))
    executor = Executor(Store(tmp_path), Reporter(quiet=True), Execution(workers=0, threads=1))
    (made,) = visualizations(plan, executor, make=True)["walks"].values()
    assert Noted.tones == {3.0}
    demos = shown(tmp_path)
    assert made.recorded is not None
    assert made.strip is not None
    held_out = [demos.frames[demos.ends[episode] - 1, 0] for episode in demos.split(HELD_OUT)[1]]
    assert any(np.array_equal(made.strip[-1], frame) for frame in held_out)
