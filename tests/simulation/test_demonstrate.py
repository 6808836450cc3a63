from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmark.contracts.data import Episode
from benchmark.core.seeds import seed as seed_of
from benchmark.simulation.demonstrate import AHEAD, demonstrate
from benchmark.simulation.workers import SimulationError
from tests.simulation.fake_env import MAX_STEPS, Fake, FakeConfig

SEEDS = list(range(40, 52))
TIMEOUT = 60.0  # of simulators that answer, however busy the machine is
HANGS = 1.0  # of those that do not


def by_hand(seed: int) -> Episode:
    env, rows, over = Fake(FakeConfig()), [], False
    env.reset(seed)
    expert = env.expert(seed_of("expert", seed))
    planned = expert.info["planned"]
    for _ in range(MAX_STEPS):
        action = expert.act()
        if action is None or over:
            break
        action = np.clip(action, [-1, -0.5, -1], [1, 0.5, 1]).astype(np.float32)
        rows.append((env.render(), action, env.state(), env.proprio()))
        over = env.step(np.clip(expert.executed(action), [-1, -0.5, -1], [1, 0.5, 1]).astype(np.float32))
    arrays = [np.stack(column) for column in zip(*rows, strict=True)]
    return Episode(*arrays, info={"seed": seed, "steps": len(rows), "score": env.score(), "planned": planned, "simulator": {}})


def assert_same(one: Episode, other: Episode) -> None:
    assert one.info == other.info
    for name in ("frames", "actions", "states", "proprio"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        assert getattr(one, name).dtype == getattr(other, name).dtype


@pytest.mark.parametrize("workers", [0, 1, 3, None])
def test_episodes_come_in_order_and_are_those_of_one_simulator(workers: int | None) -> None:
    episodes = list(demonstrate(Fake, FakeConfig(), SEEDS, workers=workers, timeout=TIMEOUT))
    assert [e.info["seed"] for e in episodes] == SEEDS
    assert len({len(e.actions) for e in episodes}) > 2
    for episode in episodes:
        assert_same(episode, by_hand(episode.info["seed"]))


def test_a_crash_is_tried_again_by_a_fresh_worker(tmp_path: Path) -> None:
    config = FakeConfig(trouble={44: (2, "exit once")}, log=str(tmp_path))
    episodes = list(demonstrate(Fake, config, SEEDS, workers=2, timeout=TIMEOUT))
    assert (tmp_path / "exited").exists()
    assert [e.info["seed"] for e in episodes] == SEEDS
    assert_same(episodes[4], by_hand(44))


@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        ("exit", "the simulator process exited with code 3"),
        ("raise", "RuntimeError: the joint came off"),
        ("hang", "no answer for 1 s"),
        ("nan", "contains NaN"),
        ("no score", "score.. has no 'goal'"),
        ("no expert", "the expert finished before its first action"),
    ],
)
def test_a_crash_that_comes_again_is_an_error(kind: str, cause: str) -> None:
    config = FakeConfig(trouble={44: (0, kind)})
    with pytest.raises(SimulationError, match=f"fake with seed 44 failed twice: .*{cause}"):
        list(demonstrate(Fake, config, SEEDS, workers=2, timeout=HANGS if kind == "hang" else TIMEOUT))


def test_workers_do_not_run_away_from_a_slow_reader(tmp_path: Path) -> None:
    episodes = demonstrate(Fake, FakeConfig(log=str(tmp_path)), range(100), workers=2, timeout=TIMEOUT)
    for index in range(20):
        next(episodes)
        begun = {int(path.name.split()[1]) for path in tmp_path.glob("reset *")}
        assert max(begun) < index + AHEAD * 2
    episodes.close()


def test_an_abandoned_recording_ends_its_workers() -> None:
    episodes = demonstrate(Fake, FakeConfig(pause=0.2), SEEDS, workers=2, timeout=TIMEOUT)
    next(episodes)
    episodes.close()


def test_nothing_to_do() -> None:
    assert list(demonstrate(Fake, FakeConfig(), [], workers=None, timeout=TIMEOUT)) == []
