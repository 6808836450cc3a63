from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from benchmark.contracts.data import Observations
from benchmark.contracts.encoder import Encoder, as_float
from benchmark.contracts.policy import Policy, PolicyConfig
from benchmark.contracts.specs import PolicySpec
from benchmark.data.chunks import ChunkSampler
from benchmark.models.agent import Agent
from benchmark.models.features import encode
from benchmark.simulation.agent import AgentController
from benchmark.simulation.protocol import Slots

VIEWS, SIDE, DIM, ACTIONS, STATE = 2, 4, 3, 2, 5


class Eyes(Encoder):
    """Random projections of the image; patches are its quarters."""

    dim, patch_dim = DIM, 2

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weight = torch.nn.Parameter(torch.randn(3 * SIDE * SIDE, DIM, generator=generator))

    def pooled(self, images: Tensor) -> Tensor:
        return as_float(images).flatten(1) @ self.weight

    def patch(self, images: Tensor) -> Tensor:
        return torch.nn.functional.adaptive_avg_pool2d(as_float(images)[:, :2], 2).flatten(2).transpose(1, 2)


class Oracle(Encoder):
    reads = "state"
    dim = STATE

    def pooled(self, images: Tensor) -> Tensor:
        return images


class Dice(Policy):
    """Every action depends on the whole history, the goal, its place in the chunk and the row's generator."""

    def act(self, features, goal, rngs):
        assert not self.training
        self.seen = features.clone()
        noise = torch.stack([torch.randn(self.config.chunk, ACTIONS, generator=rng) for rng in rngs])
        weights = torch.linspace(1, 2, features[0].numel()).view(features.shape[1:])
        base = (features * weights).sum((1, 2)) + (0 if goal is None else 10 * goal.sum(1))
        return base[:, None, None] + torch.arange(self.config.chunk)[None, :, None] + noise


def make_agent(config: PolicyConfig, feature_dim: int = VIEWS * DIM, goal_dim: int = 0) -> Agent:
    agent = Agent(Dice(config, PolicySpec(feature_dim, ACTIONS, goal_dim)))
    rng = torch.Generator().manual_seed(1)
    features = torch.randn(50, feature_dim, generator=rng) * 3 + 1
    agent.fit_normalizers(features, torch.randn(50, ACTIONS, generator=rng) * 100)
    return agent


@dataclass
class Recorded:
    """One episode as its simulator would show it."""

    seed: int
    frames: np.ndarray
    states: np.ndarray

    @classmethod
    def make(cls, seed: int, length: int) -> Recorded:
        rng = np.random.default_rng(seed)
        frames = rng.integers(0, 256, (length, VIEWS, SIDE, SIDE, 3), np.uint8)
        return cls(seed, frames, rng.normal(size=(length, STATE)).astype(np.float32))


def reference(episode: Recorded, encoder: Encoder, agent: Agent) -> np.ndarray:
    """The same episode alone, one step after the other, with lists."""
    config, rng = agent.policy.config, torch.Generator().manual_seed(episode.seed)
    plans: dict[int, np.ndarray] = {}
    actions = []
    for t in range(len(episode.frames)):
        if t % config.execute == 0:
            history = []
            for j in reversed(range(config.history)):
                past = max(t - j * config.stride, 0)
                if encoder.reads == "state":
                    history.append(torch.from_numpy(episode.states[past]))
                else:
                    views = [torch.from_numpy(view).permute(2, 0, 1)[None] for view in episode.frames[past]]
                    history.append(torch.cat([encoder.pooled(view)[0] for view in views]))
            normal = (torch.stack(history).detach() - agent.features.shift) / agent.features.scale
            chunk = agent.policy.act(normal[None], None, [rng])[0]
            plans[t] = (chunk * agent.actions.scale + agent.actions.shift).numpy()
        if config.ensemble:
            actions.append(np.mean([plans[s][t - s] for s in plans if 0 <= t - s < config.chunk], axis=0))
        else:
            start = t - t % config.execute
            actions.append(plans[start][t - start])
    return np.stack(actions)


def drive(controller: AgentController, queues: list[list[Recorded]]) -> dict[int, np.ndarray]:
    """Each slot runs its queue of episodes in lockstep with the others; what was not asked for is noise."""
    rng = np.random.default_rng(0)
    slots, positions = len(queues), [iter(q) for q in queues]
    current: list[Recorded | None] = [None] * slots
    time, taken = np.zeros(slots, int), {}
    while True:
        for slot in range(slots):
            if current[slot] is None or time[slot] == len(current[slot].frames):
                current[slot], time[slot] = next(positions[slot], None), 0
                if current[slot] is not None:
                    controller.begin(slot, current[slot].seed)
        active = np.array([episode is not None for episode in current])
        if not active.any():
            return {seed: np.stack(actions) for seed, actions in taken.items()}
        frames = rng.integers(0, 256, (slots, VIEWS, SIDE, SIDE, 3), np.uint8)
        states = rng.normal(size=(slots, STATE)).astype(np.float32)
        rendered = np.zeros(slots, bool)
        for slot in np.flatnonzero(active):
            states[slot] = current[slot].states[time[slot]]
            if rendered_now := controller.needs_frame(int(time[slot])):
                frames[slot], rendered[slot] = current[slot].frames[time[slot]], rendered_now
        actions = controller.act(Slots(active, time.copy(), frames, rendered, np.zeros((slots, 0), np.float32), states))
        assert actions.dtype == np.float32
        assert np.isfinite(actions).all()
        for slot in np.flatnonzero(active):
            taken.setdefault(current[slot].seed, []).append(actions[slot])
            time[slot] += 1


CONFIGS = [
    PolicyConfig(),
    PolicyConfig(history=3, stride=4, chunk=8, execute=2),
    PolicyConfig(history=3, stride=4, chunk=8, execute=4),
    PolicyConfig(history=2, stride=3, chunk=5, execute=2),  # looks back between its own plans
    PolicyConfig(history=5, chunk=5, ensemble=True),
    PolicyConfig(history=2, stride=2, chunk=4, execute=4),
]
IDS = [f"h{c.history}s{c.stride}c{c.chunk}e{c.execute}{'m' * c.ensemble}" for c in CONFIGS]


@pytest.mark.parametrize("config", CONFIGS, ids=IDS)
@pytest.mark.parametrize("encoder", [Eyes(), Oracle()], ids=["frames", "state"])
def test_actions_equal_a_slow_reference(config, encoder):
    agent = make_agent(config, STATE if encoder.reads == "state" else VIEWS * DIM)
    queues = [[Recorded.make(10 * slot + i, 3 + 7 * i + slot) for i in range(3)] for slot in range(3)]
    taken = drive(AgentController(encoder, agent, slots=3), queues)
    assert len(taken) == 9
    for episode in itertools.chain(*queues):
        np.testing.assert_allclose(taken[episode.seed], reference(episode, encoder, agent), rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("config", CONFIGS, ids=IDS)
def test_an_episode_does_not_depend_on_slot_neighbours_or_history(config):
    episode, others = Recorded.make(7, 15), [Recorded.make(100 + i, 4 + 3 * i) for i in range(4)]
    queues = ([[episode], [], []], [others[:2], [others[2], episode], [others[3]]], [[], others, [episode]])
    runs = [drive(AgentController(Eyes(), make_agent(config), slots=3), q)[7] for q in queues]
    assert np.array_equal(runs[0], runs[1])
    assert np.array_equal(runs[0], runs[2])


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_needs_frame_equals_brute_force(data):
    number = st.integers(1, 6)
    execute = data.draw(number)
    config = PolicyConfig(
        history=data.draw(number), stride=data.draw(number), chunk=execute + data.draw(number), execute=execute
    )
    controller = AgentController(Eyes(), make_agent(config), slots=1)
    looked_at = set()
    for plan in range(0, 200, config.execute):
        looked_at |= {max(plan - j * config.stride, 0) for j in range(config.history)}
    assert [t for t in range(100) if controller.needs_frame(t)] == sorted(t for t in looked_at if t < 100)


def test_features_that_are_lost_are_no_action():
    """Whatever the policy makes of them, such as the likeliest of its classes: the episode ends there, and no other."""

    class Sure(Policy):
        def act(self, features, goal, rngs):
            return torch.ones(len(features), self.config.chunk, ACTIONS)

    agent = Agent(Sure(PolicyConfig(), PolicySpec(STATE, ACTIONS)))
    controller, lost = AgentController(Oracle(), agent, slots=2), np.zeros((2, STATE), np.float32)
    lost[1] = np.nan
    shown, none = np.zeros(2, bool), np.zeros((2, 0), np.float32)
    for slot in (0, 1):
        controller.begin(slot, slot)
    actions = controller.act(Slots(np.ones(2, bool), np.zeros(2, int), None, shown, none, lost))
    assert np.isfinite(actions[0]).all()
    assert np.isnan(actions[1]).all()


def test_an_encoder_that_reads_the_state_needs_no_frames():
    controller = AgentController(Oracle(), make_agent(PolicyConfig(), STATE), slots=1)
    assert not any(controller.needs_frame(t) for t in range(10))


def test_ensembling_is_the_mean_of_overlapping_predictions_by_hand():
    class Plans(Policy):
        """At step t it plans 100 t + 0, 1, 2."""

        def act(self, features, goal, rngs):
            return 100 * features[:, -1, :1, None].expand(-1, 3, 2) + torch.arange(3.0)[None, :, None]

    agent = Agent(Plans(PolicyConfig(chunk=3, ensemble=True), PolicySpec(STATE, 2)))
    controller = AgentController(Oracle(), agent, slots=1)
    for seed in (0, 1):  # the second episode must not remember the first
        controller.begin(0, seed)
        taken = []
        for t in range(4):
            state = np.full((1, STATE), t, np.float32)
            taken.append(controller.act(Slots(np.array([True]), np.array([t]), None, np.array([False]), state, state))[0, 0])
        assert taken == [0, (1 + 100) / 2, (2 + 101 + 200) / 3, (102 + 201 + 300) / 3]


def test_rollouts_see_what_training_saw():
    config = PolicyConfig(history=3, stride=2, chunk=2, execute=1)
    agent, episode = make_agent(config), Recorded.make(3, 9)
    features = encode(Eyes(), Observations(torch.from_numpy(episode.frames)))
    sampler = ChunkSampler(
        agent.features(features), torch.zeros(9, ACTIONS), np.array([0]), np.array([9]), np.array([0]), config
    )
    controller = AgentController(Eyes(), agent, slots=2)
    controller.begin(1, 0)
    for t, trained in enumerate(sampler.all().features):
        frames = np.stack([episode.frames[0], episode.frames[t]])
        flags, none = np.array([False, True]), np.zeros((2, 0), np.float32)
        controller.act(Slots(flags, np.array([0, t]), frames, flags, none, none))
        torch.testing.assert_close(agent.policy.seen[1], trained)


def test_encode_puts_views_side_by_side():
    frames = torch.from_numpy(Recorded.make(0, 6).frames)
    encoder = Eyes()
    together = encode(encoder, Observations(frames))
    assert together.shape == (6, VIEWS * DIM)
    alone = encoder.pooled(frames[2, 1].permute(2, 0, 1)[None])[0]
    torch.testing.assert_close(together[2, DIM:], alone)
    assert not together.requires_grad
    patches = encode(encoder, Observations(frames), "patch")
    assert patches.shape == (6, VIEWS * 4 * 2)
    torch.testing.assert_close(patches[3, 8:], encoder.patch(frames[3, 1].permute(2, 0, 1)[None]).flatten())


def test_the_seed_of_an_episode_chooses_its_goal():
    frames = Recorded.make(0, 2).frames
    agent = make_agent(PolicyConfig(), goal_dim=VIEWS * DIM)
    goals = encode(Eyes(), Observations(torch.from_numpy(frames)))
    controller = AgentController(Eyes(), agent, slots=1, goals=lambda seed: agent.features(goals)[seed % 2])
    flag = np.array([True])
    slots = Slots(flag, np.array([0]), frames[:1], flag, np.zeros((1, 0), np.float32), np.zeros((1, 0), np.float32))

    def act(seed: int) -> np.ndarray:
        controller.begin(0, seed)
        return controller.act(slots)

    for seed in (4, 5):
        goal, noise = agent.features(goals)[seed % 2][None], torch.Generator().manual_seed(seed)
        np.testing.assert_allclose(act(seed), agent.act(goals[:1, None], Observations(goal=goal), [noise])[:, 0], rtol=1e-5)
    with pytest.raises(ValueError, match="goal"):
        AgentController(Eyes(), agent, slots=1)
    with pytest.raises(ValueError, match="goal"):
        AgentController(Eyes(), make_agent(PolicyConfig()), slots=1, goals=lambda seed: goals[0])


class Pointed(Eyes):
    """It looks at an image with a goal in mind."""

    takes_goal = True

    def towards(self, images: Tensor, told: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
        return {name: value + told for name, value in self.features(images, names).items()}


def test_the_seed_of_an_episode_chooses_what_its_encoder_is_told():
    """Per slot, and for each view or for all."""
    frames = Recorded.make(0, 4).frames
    told = {4: torch.full((1, DIM), 0.5), 5: torch.arange(float(VIEWS * DIM)).view(VIEWS, DIM)}
    one, two = (told[seed].expand(VIEWS, DIM).flatten() for seed in (4, 5))
    agent, flags = make_agent(PolicyConfig()), np.array([True, True])
    controller = AgentController(Pointed(), agent, slots=2, told=lambda seed: told[seed].expand(VIEWS, DIM))
    controller.begin(0, 5)
    controller.begin(1, 4)
    none = np.zeros((2, 0), np.float32)
    controller.act(Slots(flags, np.array([0, 0]), frames[:2], flags, none, none))
    seen = encode(Eyes(), Observations(torch.from_numpy(frames[:2])))
    torch.testing.assert_close(agent.policy.seen[:, 0], agent.features(seen + torch.stack([two, one])))


def test_a_frame_that_was_not_rendered_is_noticed():
    controller = AgentController(Eyes(), make_agent(PolicyConfig()), slots=1)
    controller.begin(0, 0)
    frames, none = Recorded.make(0, 1).frames, np.zeros((1, 0), np.float32)
    with pytest.raises(RuntimeError, match="not rendered"):
        controller.act(Slots(np.array([True]), np.array([0]), frames, np.array([False]), none, none))


def test_the_state_dict_restores_the_agent():
    agent = make_agent(PolicyConfig(history=2))
    fresh = Agent(Dice(PolicyConfig(history=2), agent.policy.spec))
    fresh.load_state_dict(agent.state_dict())
    x = torch.randn(4, 2, VIEWS * DIM)
    one, two = (a.eval().act(x, Observations(), [torch.Generator().manual_seed(i) for i in range(4)]) for a in (agent, fresh))
    assert torch.equal(one, two)


def test_latency_is_measured_per_call():
    controller = AgentController(Eyes(), make_agent(PolicyConfig()), slots=2)
    assert controller.latency() == 0
    drive(controller, [[Recorded.make(0, 3)], [Recorded.make(1, 5)]])
    assert controller.latency() > 0
