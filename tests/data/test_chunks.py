from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.contracts.policy import PolicyConfig
from benchmark.core.errors import BenchmarkError
from benchmark.data.chunks import ChunkSampler


def demonstrations(lengths: list[int], dtype: torch.dtype = torch.float32):
    """Features whose first number is the row, so that a gather can be read off."""
    n = sum(lengths)
    features = torch.stack([torch.arange(n), -torch.arange(n)], dim=1).to(dtype)
    actions = torch.arange(3 * n, dtype=torch.float32).view(n, 3)
    ends = np.cumsum(lengths)
    return features, actions, np.concatenate([[0], ends[:-1]]), ends


def naive(features, actions, starts, ends, episodes, config):
    """One sample per step of each episode, written as the definition reads."""
    samples = []
    for e in episodes:
        for t in range(starts[e], ends[e]):
            past = [max(t - config.stride * j, starts[e]) for j in reversed(range(config.history))]
            ahead = [t + j for j in range(config.chunk)]
            samples.append(
                (
                    torch.stack([features[i] for i in past]).float(),
                    torch.stack([actions[min(i, ends[e] - 1)] for i in ahead]),
                    torch.tensor([i < ends[e] for i in ahead]),
                )
            )
    return [torch.stack(column) for column in zip(*samples, strict=True)]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_gather_equals_a_loop(data):
    lengths = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=5))
    number = st.integers(1, 6)
    config = PolicyConfig(history=data.draw(number), stride=data.draw(number), chunk=data.draw(number))
    episodes = data.draw(st.lists(st.sampled_from(range(len(lengths))), min_size=1, unique=True))
    demos = demonstrations(lengths, data.draw(st.sampled_from([torch.float16, torch.float32])))
    samples = ChunkSampler(*demos, np.array(episodes), config, taken=True).all()
    features, actions, valid = naive(*demos, episodes, config)
    assert torch.equal(samples.features, features)
    assert samples.features.dtype == torch.float32
    assert torch.equal(samples.actions, actions)
    assert torch.equal(samples.valid, valid)
    assert samples.goal is None
    assert torch.equal(samples.taken, demos[1][samples.features[..., 0].long()]), "features tell their rows"


@settings(max_examples=40, deadline=None)
@given(lengths=st.lists(st.integers(1, 6), min_size=1, max_size=4), batch=st.integers(1, 40), seed=st.integers(0, 99))
def test_epochs_are_permutations_and_any_step_can_be_had_alone(lengths, batch, seed):
    demos, n = demonstrations(lengths), sum(lengths)
    config = PolicyConfig(batch_size=batch)

    def sampler() -> ChunkSampler:
        return ChunkSampler(*demos, np.arange(len(lengths)), config, seed=seed)

    steps = 3 * sampler().steps_per_epoch
    running = sampler()
    rows = [running.batch_at(step).features[:, 0, 0] for step in range(steps)]
    assert all(len(r) == batch for r in rows)
    met = torch.cat(rows).long()
    for epoch in range(len(met) // n):
        assert sorted(met[epoch * n : (epoch + 1) * n].tolist()) == list(range(n))
    assert torch.equal(sampler().batch_at(steps - 1).features[:, 0, 0], rows[-1])


def test_seeds_and_epochs_shuffle_differently():
    demos = demonstrations([50])
    config = PolicyConfig(batch_size=50)
    orders = [ChunkSampler(*demos, np.array([0]), config, seed=s).batch_at(e).features[:, 0, 0] for s in (0, 1) for e in (0, 1)]
    assert len({tuple(order.tolist()) for order in orders}) == 4


def test_goals():
    features, actions, starts, ends = demonstrations([4, 3])
    config = PolicyConfig(batch_size=7)
    arguments = (features, actions, starts, ends, np.array([0, 1]), config)
    last = ChunkSampler(*arguments, goals="last").all().goal
    assert last[:, 0].tolist() == [3, 3, 3, 3, 6, 6, 6]
    table = torch.eye(2)
    assert ChunkSampler(*arguments, goals=table).all().goal.argmax(1).tolist() == [0, 0, 0, 0, 1, 1, 1]
    with pytest.raises(BenchmarkError, match="lsat"):
        ChunkSampler(*arguments, goals="lsat")


def test_hindsight_goals_are_uniform_over_the_rest_of_the_episode():
    features, actions, starts, ends = demonstrations([4, 3])
    config = PolicyConfig(batch_size=7)
    sampler = ChunkSampler(features, actions, starts, ends, np.array([0, 1]), config, goals="future")
    pairs = [(b.features[:, -1, 0], b.goal[:, 0]) for b in map(sampler.batch_at, range(1000))]
    now, goal = (torch.cat(column) for column in zip(*pairs, strict=True))
    for row, expected in ((0, [0, 1, 2, 3]), (2, [2, 3]), (3, [3]), (4, [4, 5, 6])):
        values, counts = goal[now == row].unique(return_counts=True)
        assert values.tolist() == expected
        assert counts.min() > 0.8 * counts.float().mean()
    assert torch.equal(sampler.batch_at(5).goal, sampler.batch_at(5).goal)
    assert sampler.all().goal[:, 0].tolist() == [3, 3, 3, 3, 6, 6, 6]  # not drawn outside training


def test_hindsight_goals_are_of_the_seed():
    """In a long episode a goal tells between which two fractions of what was left it was drawn. Were the draws of two seeds
    the same, they would overlap for every sample of a batch, whichever the samples are."""
    n, config = 2000, PolicyConfig(batch_size=64)
    spans = []
    for seed in (0, 1):
        batch = ChunkSampler(*demonstrations([n]), np.array([0]), config, seed=seed, goals="future").batch_at(0)
        now, goal = batch.features[:, -1, 0].double(), batch.goal[:, 0].double()
        spans.append(((goal - now) / (n - now), (goal - now + 1) / (n - now)))
    (low, high), (other_low, other_high) = spans
    assert ((low < other_high) & (other_low < high)).float().mean() < 0.5


def test_memory_mapped_arrays_are_accepted(tmp_path):
    features, actions, starts, ends = demonstrations([3, 3])
    np.save(tmp_path / "features.npy", features.half().numpy())
    stored = np.load(tmp_path / "features.npy", mmap_mode="r")
    samples = ChunkSampler(stored, actions.numpy(), starts, ends, np.array([1]), PolicyConfig()).all()
    assert samples.features[:, 0, 0].tolist() == [3, 4, 5]


def test_no_episodes_is_an_error():
    with pytest.raises(BenchmarkError, match="no episodes"):
        ChunkSampler(*demonstrations([3]), np.array([], int), PolicyConfig())


def test_proprioception_comes_with_the_features_and_language_with_the_episode():
    """Three episodes of 4, 3 and 5 steps, of which the last two are taken."""
    config = PolicyConfig(history=3, stride=2)
    starts, ends, rows = np.array([0, 4, 7]), np.array([4, 7, 12]), np.arange(12.0)
    sampler = ChunkSampler(
        rows[:, None],
        np.zeros((12, 1)),
        starts,
        ends,
        np.array([1, 2]),
        config,
        proprio=10 * rows[:, None],
        language=starts[:, None],
    )
    batch = sampler.batch_at(3)
    torch.testing.assert_close(batch.proprio, 10 * batch.features)
    assert batch.language[:, 0].tolist() == [4 if row < 7 else 7 for row in batch.features[:, -1, 0]]
    assert set(batch.language[:, 0].tolist()) == {4, 7}
    without = ChunkSampler(rows[:, None], np.zeros((12, 1)), starts, ends, np.array([1]), config).all()
    assert without.proprio is None
    assert without.language is None
