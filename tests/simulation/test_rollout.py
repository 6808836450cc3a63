from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.core.seeds import numpy_rng
from benchmark.simulation.protocol import Outcome, Slots
from benchmark.simulation.rollout import episodes_of, rollout
from benchmark.simulation.workers import SimulationError
from tests.simulation.fake_env import MAX_STEPS, Fake, FakeConfig
from tests.watching import lives

SEEDS = list(range(116, 127))  # 7, 5, 6, 5, 4, 4, 4, 1, 1, 1 and 3 steps long, more or less: actions have a say
SLOTS = 4
TIMEOUT = 60.0  # of simulators that answer, however busy the machine is
HANGS = 2.0  # of those that do not


class Looker:
    """Acts by what it sees, its slot's seed and the frames of every `every`-th step (0: never looks)."""

    def __init__(self, slots: int = SLOTS, every: int = 1):
        self.every, self.begun = every, [[] for _ in range(slots)]
        self.rngs: list[Any] = [None] * slots
        self.ticks = 0

    def needs_frame(self, time: int) -> bool:
        return self.every > 0 and time % self.every == 0

    def begin(self, slot: int, seed: int) -> None:
        self.begun[slot].append(seed)
        self.rngs[slot] = numpy_rng("looker", seed)

    def act(self, slots: Slots) -> np.ndarray:
        self.ticks += 1
        actions = np.full((len(slots.active), 3), np.nan)
        for row in np.flatnonzero(slots.active):
            frames = None if slots.frames is None else slots.frames[row]
            assert slots.rendered[row] == self.needs_frame(int(slots.time[row]))
            seen = frames if slots.rendered[row] else None
            actions[row] = decide(seen, slots.proprio[row], slots.state[row], int(slots.time[row]), self.rngs[row])
        return actions


def decide(frames: Any, proprio: np.ndarray, state: np.ndarray, step: int, rng: np.random.Generator) -> np.ndarray:
    assert state[2] == step
    look = 0.0 if frames is None else float(frames.mean()) / 50
    return rng.normal(size=3) + look - proprio[0] + state[1]


def one_by_one(seeds: list[int], every: int = 1) -> tuple[list[Outcome], dict[int, np.ndarray]]:
    """What a rollout is to compute, without slots, workers or shared memory."""
    outcomes, videos = [], {}
    for episode, seed in enumerate(seeds):
        env, rng, video = Fake(FakeConfig()), numpy_rng("looker", seed), []
        env.reset(seed)
        for step in range(MAX_STEPS):
            video.append(env.render())
            looks = every > 0 and step % every == 0
            action = decide(video[-1] if looks else None, env.proprio(), env.state(), step, rng)
            bounds = np.array([1, 0.5, 1], np.float32)
            if env.step(np.clip(action.astype(np.float32), -bounds, bounds)):
                break
        outcomes.append(Outcome(episode, seed, step + 1, env.score()))
        videos[episode] = np.stack(video)
    return outcomes, videos


def run(config: FakeConfig, workers: int | None = 2, every: int = 1, timeout: float = TIMEOUT, **options: Any) -> list[Outcome]:
    return rollout(Fake, config, SEEDS, Looker(every=every), slots=SLOTS, workers=workers, timeout=timeout, **options)[0]


def test_the_reference_has_episodes_of_many_lengths() -> None:
    assert len({outcome.steps for outcome in one_by_one(SEEDS)[0]}) > 3


@pytest.mark.parametrize("workers", [0, 1, 3, None])
@pytest.mark.parametrize("every", [0, 1, 3])
def test_records_are_those_of_one_simulator_whatever_the_number_of_workers(workers: int | None, every: int) -> None:
    assert run(FakeConfig(), workers, every) == one_by_one(SEEDS, every)[0]


DEATHS = {
    "exit": "the simulator process exited with code 3",
    "segfault": "the simulator process was killed by SIGSEGV",
    "hang": "no answer for 2 s",
}
TROUBLES = {
    "raise": "RuntimeError: the joint came off (fake_env.py:",
    "nan": "state() contains NaN",
    "misshapen": "render() gave uint8 (16, 16, 3), its spec says uint8 (2, 16, 16, 3)",
    "no score": "score() has no 'goal', only: other",
    "infinite score": "score() gave goal = inf",
}


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("kind", TROUBLES)
def test_a_crash_costs_its_own_episode_only(kind: str, workers: int) -> None:
    healthy = one_by_one(SEEDS)[0]
    victim = next(o for o in healthy if o.episode > 3 and o.steps > 3)
    outcomes = run(FakeConfig(trouble={victim.seed: (3, kind)}), workers)
    crashed = outcomes.pop(victim.episode)
    healthy.pop(victim.episode)
    assert outcomes == healthy
    assert crashed.score is None
    assert crashed.error is not None
    assert TROUBLES[kind] in crashed.error
    assert crashed.steps == (victim.steps if "score" in kind else 3)


@pytest.mark.parametrize("kind", DEATHS)
def test_an_episode_at_which_two_processes_die_has_no_score_and_stops_the_rollout(kind: str) -> None:
    """Whether the simulator or the machine is to blame cannot be known, so nothing is counted as a failure of the method."""
    with pytest.raises(SimulationError, match=rf"a second process of fake died in the episode with seed 120: {DEATHS[kind]}"):
        run(FakeConfig(trouble={120: (3, kind)}), timeout=HANGS if kind == "hang" else TIMEOUT)


@pytest.mark.parametrize("workers", [1, 3])
def test_an_episode_at_which_one_process_dies_is_played_again(tmp_path: Path, workers: int) -> None:
    outcomes = run(FakeConfig(trouble={120: (3, "exit once")}, log=str(tmp_path)), workers)
    assert (tmp_path / "exited").exists()
    assert outcomes == one_by_one(SEEDS)[0]


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_many_crashes_at_once(workers: int) -> None:
    trouble = {116: (0, "raise"), 117: (0, "nan"), 118: (1, "raise"), 119: (1, "raise"), 121: (2, "raise"), 126: (0, "raise")}
    outcomes = run(FakeConfig(trouble=trouble), workers)
    assert {o.seed for o in outcomes if o.error} == set(trouble)
    assert [o for o in outcomes if not o.error] == [o for o in one_by_one(SEEDS)[0] if o.seed not in trouble]


def test_a_worker_killed_between_two_ticks_is_replaced_and_nobody_can_tell(tmp_path: Path) -> None:
    class Killer(Looker):
        def act(self, slots: Slots) -> np.ndarray:
            actions = super().act(slots)
            if self.ticks == 2:
                pids = {path.name.split()[3] for path in tmp_path.glob("reset 117 *")}
                os.kill(int(pids.pop()), signal.SIGKILL)
            return actions

    outcomes, _ = rollout(Fake, FakeConfig(log=str(tmp_path)), SEEDS, Killer(), slots=SLOTS, workers=2, timeout=TIMEOUT)
    assert outcomes == one_by_one(SEEDS)[0]


def test_an_action_that_is_not_a_number_ends_its_episode() -> None:
    class Broken(Looker):
        def act(self, slots: Slots) -> np.ndarray:
            actions = super().act(slots)
            if self.ticks == 2:
                actions[1, 2] = np.nan
            return actions

    outcomes, _ = rollout(Fake, FakeConfig(), SEEDS, Broken(), slots=SLOTS, workers=2, timeout=TIMEOUT)
    crashed = outcomes.pop(1)
    assert crashed == Outcome(1, 117, 1, None, "the controller's action at step 1 is NaN or infinite")
    assert outcomes == [o for o in one_by_one(SEEDS)[0] if o.episode != 1]


def test_frames_are_rendered_only_where_they_are_looked_at(tmp_path: Path) -> None:
    outcomes = run(FakeConfig(log=str(tmp_path)), every=3)
    rendered = {path.name for path in tmp_path.glob("render *")}
    assert rendered == {f"render {o.seed} at {step}" for o in outcomes for step in range(0, o.steps, 3)}


def test_no_frames_at_all_for_a_controller_that_never_looks(tmp_path: Path) -> None:
    class Blind(Looker):
        def act(self, slots: Slots) -> np.ndarray:
            assert slots.frames is None
            return super().act(slots)

    rollout(Fake, FakeConfig(log=str(tmp_path)), SEEDS, Blind(every=0), slots=SLOTS, workers=1, timeout=TIMEOUT)
    assert not list(tmp_path.glob("render *"))


@pytest.mark.parametrize("every", [0, 3])
def test_recording_keeps_the_frames_of_every_step_and_changes_nothing(every: int) -> None:
    expected, reference = one_by_one(SEEDS, every)
    looker = Looker(every=every)
    outcomes, videos = rollout(Fake, FakeConfig(), SEEDS, looker, slots=SLOTS, workers=2, timeout=TIMEOUT, record=[2, 9])
    assert outcomes == expected
    assert set(videos) == {2, 9}
    for episode, video in videos.items():
        np.testing.assert_array_equal(video, reference[episode])


def test_outcomes_are_told_as_they_come_and_returned_in_order() -> None:
    told: list[Outcome] = []
    outcomes = run(FakeConfig(), on_outcome=told.append)
    assert [o.episode for o in outcomes] == list(range(len(SEEDS)))
    assert told != outcomes
    assert sorted(told, key=lambda o: o.episode) == outcomes


@given(slots=st.integers(1, 40), episodes=st.integers(0, 200))
def test_every_episode_has_one_slot(slots: int, episodes: int) -> None:
    shares = [list(episodes_of(slot, slots, episodes)) for slot in range(slots)]
    assert sorted(chain.from_iterable(shares)) == list(range(episodes))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@settings(max_examples=25, deadline=None)
@given(slots=st.integers(1, 6), episodes=st.integers(0, 14), crashing=st.sets(st.integers(0, 13)))
def test_slots_run_their_own_episodes_in_order_whatever_crashes(slots: int, episodes: int, crashing: set[int]) -> None:
    looker = Looker(slots)
    config = FakeConfig(trouble={seed: (seed % 3, "raise") for seed in crashing})
    outcomes, _ = rollout(Fake, config, range(episodes), looker, slots=slots, workers=0, timeout=TIMEOUT)
    assert looker.begun == [list(episodes_of(slot, slots, episodes)) for slot in range(slots)]
    assert [o.episode for o in outcomes] == list(range(episodes))


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_an_interruption_ends_the_workers(error: type[BaseException]) -> None:
    class Interrupted(Looker):
        def act(self, slots: Slots) -> np.ndarray:
            if self.ticks == 2:
                raise error
            return super().act(slots)

    with pytest.raises(error):
        rollout(Fake, FakeConfig(), SEEDS, Interrupted(), slots=SLOTS, workers=2, timeout=TIMEOUT)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_simulator_that_cannot_be_built_is_an_error_of_the_run(workers: int) -> None:
    with pytest.raises(SimulationError, match="the simulator of fake cannot be built: OSError: no libEGL"):
        run(FakeConfig(trouble={-1: (0, "no libEGL")}), workers)


def test_actions_of_the_wrong_shape_are_refused() -> None:
    class Short(Looker):
        def act(self, slots: Slots) -> np.ndarray:
            return super().act(slots)[:, :2]

    with pytest.raises(ValueError, match=r"\(4, 2\), expected \(4, 3\)"):
        rollout(Fake, FakeConfig(), SEEDS, Short(), slots=SLOTS, workers=0, timeout=TIMEOUT)


def test_workers_are_single_threaded_and_leave_standard_output_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run(FakeConfig(log=str(tmp_path)))
    resets = [path.name.split() for path in tmp_path.glob("reset *")]
    assert {words[5] for words in resets} == {"1"}
    assert len({words[3] for words in resets}) == 2
    assert capfd.readouterr().out == ""


HANGING = """
import numpy as np
from benchmark.simulation.rollout import rollout
from tests.simulation.fake_env import Fake, FakeConfig

class Still:
    def needs_frame(self, time): return True
    def begin(self, slot, seed): pass
    def act(self, slots): return np.zeros((4, 3))

if __name__ == "__main__":
    rollout(Fake, FakeConfig(log={log!r}, trouble={{0: (1, "hang")}}), range(9), Still(), slots=4, workers=2, timeout=600)
"""


def test_workers_follow_a_killed_parent_even_out_of_a_hang(tmp_path: Path) -> None:
    script = tmp_path / "hanging.py"
    script.write_text(HANGING.format(log=str(tmp_path)))
    root = Path(__file__).parents[2]
    parent = subprocess.Popen([sys.executable, script], cwd=root, env={**os.environ, "PYTHONPATH": str(root)})
    try:
        until((tmp_path / "hangs").exists)
        family = psutil.Process(parent.pid).children(recursive=True)
    finally:
        parent.kill()
        parent.wait()
    assert {int(path.name.split()[3]) for path in tmp_path.glob("reset *")} <= {process.pid for process in family}
    try:
        until(lambda: not any(map(lives, family)))
    finally:
        for process in filter(lives, family):
            process.kill()


def until(condition: Any) -> None:
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("it never happened")
