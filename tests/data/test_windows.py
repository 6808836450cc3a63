from __future__ import annotations

import weakref
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.contracts.data import DataSpec, Episode
from benchmark.contracts.method import BatchSpec
from benchmark.core.errors import BenchmarkError
from benchmark.data import windows
from benchmark.data.episodes import Demos, DemosWriter, open_demos
from benchmark.data.windows import WindowSampler

LENGTHS = (5, 9, 3)


@pytest.fixture
def demos(tmp_path: Path) -> Demos:
    """Frames that say where they come from: pixel 0 is the episode, pixel 1 the step."""
    writer = DemosWriter(tmp_path / "demos", DataSpec("fake", ("a", "b"), 16, 2, 1, 3, 10.0))
    for episode, length in enumerate(LENGTHS):
        frames = np.zeros((length, 2, 16, 16, 3), np.uint8)
        frames[..., 0] = episode
        frames[..., 1] = np.arange(length)[:, None, None, None]
        step = np.arange(length, dtype=np.float32)[:, None]
        writer.add(Episode(frames, np.repeat(step, 2, 1), np.repeat(step, 3, 1), step, {"score": {"x": episode}}))
    writer.finish()
    return open_demos(tmp_path / "demos")


def test_what_was_written_is_what_is_opened(demos: Demos) -> None:
    assert demos.frames.shape == (17, 2, 16, 16, 3)
    assert isinstance(demos.frames, np.memmap)
    assert demos.lengths.tolist() == list(LENGTHS)
    assert demos.infos[1] == {"score": {"x": 1}}
    assert demos.actions[5:14, 0].tolist() == list(range(9))


def test_a_sampler_leaves_with_its_last_user(demos: Demos) -> None:
    """Its frames may be half of a GPU's memory."""
    sampler = WindowSampler(demos, np.arange(3), BatchSpec(2, 1), batch_size=2, seed=0, resident=True)
    sampler.batch_at(0)
    gone = weakref.ref(sampler)
    del sampler
    assert gone() is None


@pytest.mark.parametrize(("window", "stride"), [(1, 1), (2, 1), (3, 2)])
def test_every_window_comes_once_an_epoch_and_none_crosses_an_episode(demos: Demos, window: int, stride: int) -> None:
    sampler = WindowSampler(demos, np.arange(3), BatchSpec(window, stride), batch_size=1, seed=0)
    seen = []
    for step in range(sampler.steps_per_epoch):
        batch = sampler.batch_at(step)
        marks = batch.frames[0, :, :, :2, 0, 0]  # (T, V, 2)
        assert (marks[..., 0] == batch.episode[0]).all()
        steps = marks[:, 0, 1].tolist()
        assert steps == list(range(steps[0], steps[0] + window * stride, stride))
        assert batch.actions[0, :, 0].tolist() == steps
        assert batch.start[0] == steps[0]
        seen.append((int(batch.episode[0]), steps[0]))
    span = (window - 1) * stride + 1
    expected = [(e, s) for e, length in enumerate(LENGTHS) for s in range(length - span + 1)]
    assert sorted(seen) == expected, "the last frame of an episode must be reached"


def test_actions_between_the_frames_come_along_where_a_method_wants_them(demos: Demos) -> None:
    sampler = WindowSampler(demos, np.arange(3), BatchSpec(3, 2, between=True), batch_size=1, seed=0)
    for step in range(sampler.steps_per_epoch):
        batch = sampler.batch_at(step)
        first = int(batch.start[0])
        assert batch.frames[0, :, 0, 1, 0, 0].tolist() == [first, first + 2, first + 4]
        assert batch.actions[0, :, 0].tolist() == list(range(first, first + 5))


def test_batches_are_a_function_of_seed_and_step(demos: Demos) -> None:
    a, b = (WindowSampler(demos, np.arange(3), BatchSpec(2), 4, seed=1) for _ in range(2))
    for _ in range(9):
        a.batch_at(0)
    assert torch.equal(a.batch_at(7).frames, b.batch_at(7).frames)
    other = WindowSampler(demos, np.arange(3), BatchSpec(2), 4, seed=2)
    assert any(not torch.equal(a.batch_at(i).frames, other.batch_at(i).frames) for i in range(3))


def test_each_epoch_has_an_order_and_a_remainder_of_its_own(demos: Demos) -> None:
    """17 frames in batches of 5: two are left out of an epoch, but not always the same two."""
    sampler = WindowSampler(demos, np.arange(3), BatchSpec(), 5, seed=0)
    assert sampler.steps_per_epoch == 3

    def seen(step: int) -> list[tuple[int, int]]:
        batch = sampler.batch_at(step)
        return list(zip(batch.episode.tolist(), batch.start.tolist(), strict=True))

    epochs = [[frame for step in range(3) for frame in seen(3 * epoch + step)] for epoch in range(40)]
    assert all(len(set(epoch)) == 15 for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 40
    counts = Counter(frame for epoch in epochs for frame in epoch)
    assert len(counts) == 17
    assert min(counts.values()) >= 26, "35 on average, with a standard deviation of 2"
    assert any(len({episode for episode, _ in seen(step)}) > 1 for step in range(3)), "of several episodes"


def test_too_long_a_window_is_refused(demos: Demos) -> None:
    with pytest.raises(BenchmarkError, match=r"no demonstration is as long as a window of 20 frames"):
        WindowSampler(demos, np.arange(3), BatchSpec(20), 4, 0)


def test_the_split_is_by_trajectory_and_always_the_same(demos: Demos) -> None:
    train, held_out = demos.split(0.34)
    assert sorted([*train, *held_out]) == [0, 1, 2]
    assert len(held_out) == 1
    assert np.array_equal(demos.split(0.34)[1], held_out)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"actions": np.full((4, 2), np.nan, np.float32)}, "NaN"),
        ({"actions": np.zeros((4, 3), np.float32)}, r"actions has shape \(4, 3\), expected \(4, 2\)"),
        ({"frames": np.zeros((4, 2, 16, 16, 3), np.float32)}, "expected uint8"),
        ({"states": np.zeros((3, 3), np.float32)}, "states has shape"),
    ],
)
def test_bad_episodes_are_refused(tmp_path: Path, change: dict[str, np.ndarray], message: str) -> None:
    good = {
        "frames": np.zeros((4, 2, 16, 16, 3), np.uint8),
        "actions": np.zeros((4, 2), np.float32),
        "states": np.zeros((4, 3), np.float32),
        "proprio": np.zeros((4, 1), np.float32),
    }
    writer = DemosWriter(tmp_path, DataSpec("fake", ("a", "b"), 16, 2, 1, 3, 10.0))
    with pytest.raises(BenchmarkError, match=message):
        writer.add(Episode(**{**good, **change}))


def test_an_empty_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="no episodes"):
        DemosWriter(tmp_path, DataSpec("fake", ("a",), 16, 2, 1, 3, 10.0)).finish()


@pytest.mark.parametrize(("window", "stride"), [(1, 1), (3, 2)])
def test_frames_on_the_device_give_the_same_bits_as_frames_in_the_memory_map(demos: Demos, window: int, stride: int) -> None:
    host, resident = (
        WindowSampler(demos, np.arange(1, 3), BatchSpec(window, stride), 2, seed=5, resident=resident)
        for resident in (False, True)
    )
    for step in range(3 * host.steps_per_epoch):
        a, b = host.batch_at(step), resident.batch_at(step)
        for name, tensor in vars(a).items():
            other = getattr(b, name)
            assert torch.equal(tensor, other), name
            assert (tensor.dtype, tensor.stride()) == (other.dtype, other.stride()), name


def test_the_table_is_uploaded_whole_in_blocks(demos: Demos, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "UPLOAD", 5 * demos.frames[:1].nbytes)
    assert np.array_equal(windows.upload(demos.frames, "cpu").numpy(), demos.frames)


def test_frames_live_on_a_gpu_where_they_take_at_most_half_of_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (100, 1000))
    assert windows.fits(50, "cuda")
    assert not windows.fits(51, "cuda")
    assert not windows.fits(1, "cpu")
