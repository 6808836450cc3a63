"""Several recordings in one, made from a small Open X: what is read, how it is mapped, in which order training sees it."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark import registry
from benchmark.contracts.data import DataSpec, Episode, Part
from benchmark.contracts.method import BatchSpec
from benchmark.contracts.policy import PolicyConfig
from benchmark.core import collective
from benchmark.core.errors import BenchmarkError, Unavailable
from benchmark.core.progress import Task
from benchmark.data.chunks import ChunkSampler
from benchmark.data.draws import Draws
from benchmark.data.episodes import Demos, DemosWriter, open_demos
from benchmark.data.windows import WindowSampler
from benchmark.datasets.action_space import CLOSED, OPEN, Gripper, action_map, statistics
from benchmark.datasets.recordings import describe, import_recording
from benchmark.envs.mixture import Mixture, MixtureConfig
from benchmark.storage.artifacts import Store
from tests.datasets.openx import EPISODES, LENGTHS, SIDE, WORDS, Written, openx

ORDER = ("gripping", "turning", "sweeping")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Written]:
    return openx(tmp_path_factory.mktemp("openx"))


@pytest.fixture(scope="module")
def whole(written: dict[str, Written], tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with the three of them; nobody changes it."""
    store = Store(tmp_path_factory.mktemp("home")).prepare()
    for name, one in written.items():
        import_recording(store, one.path, name, Task())
    return store


@pytest.fixture
def home(whole: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("BENCHMARK_HOME", str(whole.root))
    return whole


def mixed(folder: Path, **settings: Any) -> Demos:
    """As the stage of demonstrations writes it."""
    config = MixtureConfig(resolution=SIDE, parts=list(ORDER), **settings)
    spec = Mixture.spec(config)
    writer = DemosWriter(
        folder,
        DataSpec("mixture", spec.views, config.resolution, 7, 0, 0, spec.hz, spec.action),
        parts=Mixture.parts(config),
    )
    for episode in Mixture.import_demonstrations(config):
        writer.add(episode)
    writer.finish()
    return open_demos(folder)


# ---------------------------------------------------------------------------------------------------------------- reading


@pytest.mark.parametrize("name", ORDER)
def test_open_x_is_read_byte_for_byte(name: str, written: dict[str, Written], whole: Store) -> None:
    demos, one = open_demos(whole.open("recordings", name)), written[name]
    assert demos.spec.views == one.views
    assert demos.spec.hz == one.said["hz"]
    np.testing.assert_array_equal(demos.frames, np.concatenate(one.frames))
    np.testing.assert_array_equal(demos.actions, np.concatenate(one.actions))
    assert demos.lengths.tolist() == list(LENGTHS)


def test_what_is_said_of_an_episode_comes_along(whole: Store) -> None:
    gripping, turning, sweeping = (open_demos(whole.open("recordings", name)).infos for name in ORDER)
    assert [info["task"] for info in gripping] == [f"grip {number}" for number in range(EPISODES)]
    assert gripping[2]["language"] == pytest.approx(np.linspace(2, 1, WORDS))
    assert turning[0]["task"] == "turn it"
    assert "language" not in turning[0]
    assert "task" not in sweeping[0]
    names = whole.raw_manifest("recordings", "turning")["request"]["description"]["actions"]["names"]
    ends = ["gripper_closedness_action", *(f"rotation_delta_{n}" for n in range(3)), "terminate_episode"]
    assert names == [*ends, *(f"world_vector_{n}" for n in range(3))]


def test_a_folder_of_data_sets_is_none_of_their_versions(written: dict[str, Written], store: Store) -> None:
    with pytest.raises(BenchmarkError, match="is of no format that is known"):
        import_recording(store, written["sweeping"].path.parent, "all", Task())


# --------------------------------------------------------------------------------------------------------- one action space


def test_a_mixture_holds_every_part_in_its_own_deviations(home: Store, written: dict[str, Written], tmp_path: Path) -> None:
    demos = mixed(tmp_path)
    assert [part.name for part in demos.parts] == list(ORDER)
    assert demos.spec.views == ("primary",), "the one camera that all have"
    np.testing.assert_array_equal(demos.frames[:, 0], np.concatenate([np.concatenate(written[n].frames)[:, 0] for n in ORDER]))
    columns = {"gripping": [0, 1, 2, 3, 4, 5], "turning": [5, 6, 7, 1, 2, 3], "sweeping": [0, 1, 2, 3]}
    for number, (name, part) in enumerate(zip(ORDER, demos.parts, strict=True)):
        actions = demos.actions[demos.steps_of(np.flatnonzero(demos.part_of == number))].astype(float)
        given = len(columns[name])
        np.testing.assert_allclose(actions[:, :given].mean(0), 0, atol=1e-6)
        np.testing.assert_allclose(actions[:, :given].std(0), 1, atol=1e-5)
        factor = 1 / 30 if name == "sweeping" else 1  # a velocity becomes the distance of a step
        back = actions * part.scale + part.shift
        np.testing.assert_allclose(back[:, :given], factor * np.concatenate(written[name].actions)[:, columns[name]], atol=1e-6)
        assert (actions[:, given:6] == 0).all()
    assert demos.parts[2].given == (True, True, True, True, False, False, False)
    assert demos.parts[2].notes == ("no pitch: zero", "no yaw: zero", "no gripper: closed", "no language: zeros")
    assert demos.parts[2].units == "(m/s, rad/s) / 30"
    low, high = demos.spec.action.low, demos.spec.action.high  # type: ignore[union-attr]
    assert ((demos.actions >= low) & (demos.actions <= high)).all()


def test_grippers_of_all_conventions_are_open_or_closed(home: Store, tmp_path: Path) -> None:
    demos = mixed(tmp_path)
    first = [demos.actions[demos.starts[part * EPISODES] : demos.ends[part * EPISODES], 6] for part in range(3)]
    assert first[0].tolist() == [OPEN] * 3 + [CLOSED] * 9, "a closing counts as closed from its first step on"
    assert first[1].tolist() == [OPEN] * 4 + [CLOSED] * 4 + [OPEN] * 4
    assert (first[2] == CLOSED).all()


@pytest.mark.parametrize(
    ("gripper", "signal", "state"),
    [
        (Gripper(1, 0), [1, 0.5, 0.5, 0, 0.5, 1, 0.6], "OCCCOOO"),  # scanned backwards; after the last decision it stays
        (Gripper(1, 0), [0.96, 0.94, 0.04, 0.06, 0.94, 0.96], "OCCOOO"),
        (Gripper(1, 0), [0.6, 0.4], "OC"),  # never decided: the nearer end
        (Gripper(0, 1), [0, 1], "OC"),
        (Gripper(-1, 1), [-1, 0, 1, 1, 0, -1], "OCCCOO"),
        (Gripper(1, -1, relative=True), [0, -1, 0, 0, 1, 0], "OCCCOO"),  # it moves it; before, it was the other way
        (Gripper(1, -1, relative=True), [0, 0], "OO"),
    ],
)
def test_a_gripper_changes_only_where_it_is_fully_open_or_closed(gripper: Gripper, signal: list[float], state: str) -> None:
    assert "".join("O" if value == OPEN else "C" for value in gripper(np.array(signal, np.float32))) == state


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"representation": "absolute", "names": ["x", "y"]}, "are absolute, and no movements"),
        ({"representation": "unknown"}, "are unknown, and no movements .--actions delta or velocity"),
        ({"representation": "delta"}, "does not say what its 2 action numbers are .--names"),
        ({"representation": "delta", "names": ["joint1", "joint2"]}, "'joint1' is no movement of an end effector"),
        ({"representation": "delta", "names": ["x", "rx"], "gripper": "?"}, None),
        ({"representation": "delta", "names": ["x", "gripper"], "gripper": "1 closes"}, "does not say both ends"),
        ({"representation": "delta", "names": ["x", "gripper"], "gripper": "1 opens, 1 closes"}, "does not say both ends"),
        ({"representation": "delta", "names": ["x", "dx"]}, "two of its action numbers are x"),
        ({"representation": "delta", "names": ["_", "terminate_episode"]}, "none of its action numbers moves"),
    ],
)
def test_only_what_is_declared_is_mapped(said: dict[str, Any], reason: str | None) -> None:
    if reason is None:
        assert action_map(said, 2, 10.0).given == (True, False, False, True, False, False, False)
    else:
        with pytest.raises(BenchmarkError, match=reason):
            action_map(said, 2, 10.0)


def test_what_cannot_be_mixed_is_named_with_the_command_that_fixes_it(
    written: dict[str, Written], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCHMARK_HOME", str(store.root))
    stated = {"representation": "absolute"}
    import_recording(store, written["gripping"].path, "gripping", Task(), stated=stated)
    config = MixtureConfig(resolution=SIDE, parts=["gripping", "nowhere"])
    reason = Mixture.unavailable_reason(config) or ""
    assert "gripping cannot be mixed: its actions are absolute" in reason
    assert "python -m benchmark data describe gripping" in reason
    assert "there is no recording in" in reason
    with pytest.raises(Unavailable, match="cannot be mixed"):
        list(Mixture.import_demonstrations(config))
    before = store.raw_manifest("recordings", "gripping")["files"]
    describe(store, "gripping", {"representation": "delta", "names": None})
    store.verify("recordings", "gripping")
    assert store.raw_manifest("recordings", "gripping")["files"] == before
    import_recording(store, written["gripping"].path, "gripping", Task(), stated=stated)  # is still the same import
    assert Mixture.unavailable_reason(MixtureConfig(resolution=SIDE, parts=["gripping"])) is None
    with pytest.raises(BenchmarkError, match="has 7 action numbers, not 2"):
        describe(store, "gripping", {"names": ("x", "y")})


def test_a_mixture_is_held_to_what_was_planned_with(
    written: dict[str, Written], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCHMARK_HOME", str(store.root))
    import_recording(store, written["sweeping"].path, "sweeping", Task())
    planned = MixtureConfig(resolution=SIDE, parts=["sweeping"])
    describe(store, "sweeping", {"names": ("y", "x", "z", "yaw")})
    with pytest.raises(BenchmarkError, match="a part of sweeping is not what was planned with"):
        replace(planned)


def test_a_movement_that_is_noise_is_not_blown_up() -> None:
    rng = np.random.default_rng(0)
    moves = rng.normal(size=(500, 6)) * np.array([0.02, 0.02, 0.02, 1e-6, 0.0, 0.02])
    mean, spread = statistics([moves[:200], moves[200:]])
    np.testing.assert_allclose(mean, moves.mean(0), atol=1e-12)
    np.testing.assert_allclose(spread[:3], moves.std(0)[:3], rtol=1e-9)
    assert spread[3] == spread[4] == pytest.approx(moves.std(0).max())
    assert statistics([np.zeros((3, 6))])[1].tolist() == [1.0] * 6


# ------------------------------------------------------------------------------------------------- what some of them lack


def test_a_view_that_a_part_lacks_is_black_and_said(home: Store, written: dict[str, Written], tmp_path: Path) -> None:
    demos = mixed(tmp_path, views=["primary", "wrist"])
    wrists = [demos.frames[demos.steps_of(np.flatnonzero(demos.part_of == part)), 1] for part in range(3)]
    assert not wrists[0].any()
    assert not wrists[2].any()
    np.testing.assert_array_equal(wrists[1], np.concatenate(written["turning"].frames)[:, 1])
    assert [demos.infos[part * EPISODES].get("absent_views") for part in range(3)] == [["wrist"], None, ["wrist"]]
    assert "no wrist camera: black" in demos.parts[0].notes
    swapped = mixed(tmp_path / "swapped", cameras=["turning:primary:eye_in_hand_rgb"])
    np.testing.assert_array_equal(swapped.frames[demos.starts[EPISODES], 0], written["turning"].frames[0][0, 1])


def test_language_that_a_part_lacks_is_zeros_and_said(home: Store, tmp_path: Path) -> None:
    demos = mixed(tmp_path)
    assert {len(info["language"]) for info in demos.infos} == {WORDS}
    assert [info.get("language_absent", False) for info in demos.infos] == [False] * EPISODES + [True] * (2 * EPISODES)
    assert not any(demos.infos[-1]["language"])
    assert any(demos.infos[0]["language"])


def test_every_part_has_held_out_episodes(home: Store, tmp_path: Path) -> None:
    training, held_out = mixed(tmp_path).split(0.05)  # less than one episode of all
    assert [((held_out >= at) & (held_out < at + EPISODES)).sum() for at in (0, EPISODES, 2 * EPISODES)] == [1, 1, 1]
    assert sorted([*training, *held_out]) == list(range(3 * EPISODES))


# --------------------------------------------------------------------------------------------------------- order and shares


@pytest.mark.parametrize("weights", ["transitions", "datasets"])
def test_batches_mix_all_parts_from_the_first_on(weights: str, home: Store, tmp_path: Path) -> None:
    """Written one after another; a batch in that order would be of one data set, and of one episode mostly."""
    demos = mixed(tmp_path, weights=weights)
    sampler = WindowSampler(demos, np.arange(len(demos)), BatchSpec(), 24, 0)
    for step in range(sampler.steps_per_epoch):
        episodes = sampler.batch_at(step).episode.numpy()
        assert len(set(demos.part_of[episodes])) == 3
        assert len(set(episodes)) >= 8
        assert (np.diff(episodes) != 0).mean() > 0.7, "neighbours in a batch are of one episode"


def test_each_part_is_drawn_by_its_share(home: Store, tmp_path: Path) -> None:
    for shares, expected in (({}, [1, 1, 1]), ({"weights": "explicit", "shares": [6, 3, 1]}, [1.8, 0.9, 0.3])):
        demos = mixed(tmp_path / str(len(shares)), **shares)
        sampler = ChunkSampler(*table(demos), PolicyConfig(batch_size=16), shares=demos.shares)
        drawn = np.concatenate([sampler.batch_at(step).rows[:, -1].numpy() for step in range(3 * sampler.steps_per_epoch)])
        per_part = np.bincount(demos.part_of[episode_of(demos)[drawn]], minlength=3) / (len(drawn) / 3)
        np.testing.assert_allclose(per_part, expected, atol=0.05)


def table(demos: Demos) -> tuple[Any, ...]:
    return demos.actions, demos.actions, demos.starts, demos.ends, np.arange(len(demos))


def episode_of(demos: Demos) -> np.ndarray:
    return np.repeat(np.arange(len(demos)), demos.lengths)


def test_equal_data_sets_of_different_size() -> None:
    """30 samples and 3 of them: each is half of every epoch, and no sample comes again before its data set was through."""
    draws = Draws(np.repeat([0, 1], [30, 3]), ("large", "small"), (0.5, 0.5), ("test",))
    epochs = [draws.epoch(number) for number in range(4)]
    assert [(epoch >= 30).sum() for epoch in epochs] == [16] * 4
    drawn = np.bincount(np.concatenate(epochs), minlength=33)
    assert set(drawn[:30]) == {2, 3}
    assert set(drawn[30:]) == {21, 22}
    with pytest.raises(BenchmarkError, match="small has no sample"):
        Draws(np.zeros(4, int), ("large", "small"), (0.5, 0.5), ("test",))


@pytest.mark.parametrize("weights", ["transitions", "datasets"])
def test_a_resumed_training_sees_the_same_batches(weights: str, home: Store, tmp_path: Path) -> None:
    demos = mixed(tmp_path, weights=weights)

    def batches(steps: range) -> list[tuple[np.ndarray, ...]]:
        windows = WindowSampler(demos, np.arange(len(demos)), BatchSpec(2), 16, 3)
        chunks = ChunkSampler(*table(demos), PolicyConfig(batch_size=16), seed=3, shares=demos.shares)
        found = [(windows.batch_at(step), chunks.batch_at(step)) for step in steps]
        return [(a.frames.numpy(), a.start.numpy(), b.actions.numpy()) for a, b in found]

    straight, resumed = batches(range(40)), batches(range(17, 40))
    for one, other in zip(straight[17:], resumed, strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(one, other, strict=True))
    assert not np.array_equal(straight[0][1], straight[20][1])


@pytest.mark.parametrize("weights", ["transitions", "datasets"])
def test_processes_share_the_batches_of_one(weights: str, home: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    demos = mixed(tmp_path, weights=weights)
    sampler = WindowSampler(demos, np.arange(len(demos)), BatchSpec(), 16, 0)

    def rows(step: int, rank: int = 0, processes: int = 1) -> list[tuple[int, int]]:
        monkeypatch.setattr(collective, "rank", lambda: rank)
        monkeypatch.setattr(collective, "processes", lambda: processes)
        windows = sampler.batch_at(step)
        return list(zip(windows.episode.tolist(), windows.start.tolist(), strict=True))

    for step in (0, 3):
        assert rows(step, 0, 2) + rows(step, 1, 2) == rows(step)
    if weights == "transitions":
        seen = [row for step in range(sampler.steps_per_epoch) for rank in range(2) for row in rows(step, rank, 2)]
        assert len(set(seen)) == len(seen), "no window comes to two processes in an epoch"


def test_memory_does_not_grow_with_the_frames(tmp_path: Path) -> None:
    """64 MB of frames are written and sampled within a few: an episode at a time, then rows of a memory map."""
    side, length, count = 64, 64, 84
    part = Part("one", count // 2, 0.5), Part("other", count // 2, 0.5)
    writer = DemosWriter(tmp_path, DataSpec("mixture", ("primary",), side, 7, 0, 0, 10.0), parts=part)
    nothing = np.zeros((length, 0), np.float32)
    tracemalloc.start()
    for number in range(count):
        frames = np.full((length, 1, side, side, 3), number, np.uint8)
        writer.add(Episode(frames, np.zeros((length, 7), np.float32), nothing, nothing))
    writer.finish()
    demos = open_demos(tmp_path)
    assert demos.frames.nbytes > 64e6
    sampler = WindowSampler(demos, np.arange(count), BatchSpec(), 32, 0)
    for step in range(30):
        sampler.batch_at(step)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8e6, f"{peak / 1e6:.1f} MB"


# ---------------------------------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weights": "size"}, "is none of transitions, datasets, explicit"),
        ({"weights": "explicit"}, "shares: with weights=explicit"),
        ({"shares": [1.0]}, "shares: with weights=explicit"),
        ({"weights": "explicit", "shares": [1.0]}, "one number for each part"),
        ({"weights": "explicit", "shares": [1.0, -1.0]}, "must be positive"),
        ({"parts": ["a", "x/a"]}, "names a recording twice"),
        ({"views": ["top"]}, "primary and wrist, not top"),
        ({"cameras": ["turning=wrist"]}, "are PART:VIEW:CAMERA"),
        ({"each": 1}, "each must be at least 2"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(BenchmarkError, match=message):
        MixtureConfig(**{"parts": ["a", "b"], **settings})


def test_no_parts_no_common_camera_no_such_camera(home: Store) -> None:
    assert "no recordings are named" in str(Mixture.unavailable_reason(MixtureConfig()))
    parts = MixtureConfig(parts=["gripping", "sweeping"], views=["wrist"])
    assert "no part has a wrist camera" in str(Mixture.unavailable_reason(parts))
    odd = MixtureConfig(parts=["turning"], cameras=["turning:primary:top"])
    assert "turning has no 'top', but agentview_rgb, eye_in_hand_rgb" in str(Mixture.unavailable_reason(odd))


def test_episodes_of_each_part_and_its_json_come_back(home: Store) -> None:
    config = MixtureConfig(parts=list(ORDER), each=2)
    assert config.episodes == 6
    with pytest.raises(BenchmarkError, match="each says how many episodes are taken"):
        replace(config, episodes=5)
    assert [episode.info["data_set"] for episode in Mixture.import_demonstrations(config)] == [
        n for n in ORDER for _ in range(2)
    ]
    assert json.loads(json.dumps(config.sha256)) == replace(config).sha256
    assert registry.envs().get("mixture") is Mixture
