"""Turns and medians, by a clock that the works themselves move."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from benchmark.bench import timing
from benchmark.bench.rollouts import Enough, Paced
from benchmark.bench.timing import Others, Rate, Timer


class Clock:
    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[str] = []

    def __call__(self) -> float:
        return self.now

    def work(self, name: str, *seconds: float):
        """One that takes so long, the last of these for good."""
        left = list(seconds)

        def work() -> None:
            self.calls.append(name)
            self.now += left.pop(0) if len(left) > 1 else left[0]

        return work


def test_a_rate_is_the_median_and_says_how_far_the_repetitions_are_apart() -> None:
    rate = Rate.of([0.5, 0.25, 1.0])
    assert rate.per_second == 2
    assert rate.seconds == 0.5
    assert rate.spread == pytest.approx(1.5), "slowest minus fastest, in medians"


def test_works_take_turns_and_every_other_round_goes_backwards() -> None:
    clock = Clock()
    Timer(1.0, 3, clock=clock).rates({"a": clock.work("a", 1.0), "b": clock.work("b", 2.0)})
    assert "".join(clock.calls) == "ab" + "ab" + "ba" + "ab", "once to warm up, then three rounds"


def test_a_work_is_called_as_often_as_fills_a_repetition_by_its_second_call() -> None:
    clock = Clock()
    rates = Timer(1.0, 2, clock=clock).rates({"a": clock.work("a", 0.9, 0.1)})
    assert len(clock.calls) == 2 + 2 * 10, "the first call, which allocates, does not decide how often"
    assert rates["a"].per_second == pytest.approx(10)
    assert rates["a"].spread == pytest.approx(0)


def test_the_median_forgets_one_slow_repetition_and_the_spread_does_not() -> None:
    clock = Clock()
    rates = Timer(1.0, 3, clock=clock).rates({"a": clock.work("a", 1.0, 1.0, 7.0, 1.0)})
    assert rates["a"].per_second == 1
    assert rates["a"].spread == 6


def test_processes_are_not_started_to_warm_up() -> None:
    clock = Clock()
    Timer(1.0, 2, clock=clock).rates({"a": clock.work("a", 0.1)}, warm=False)
    assert len(clock.calls) == 2


def test_the_device_has_finished_before_the_clock_is_read() -> None:
    clock = Clock()
    queue: list[float] = []

    def wait() -> None:
        clock.now += sum(queue)
        queue.clear()

    rates = Timer(1.0, 2, wait, clock).rates({"a": lambda: queue.append(0.5)})
    assert rates["a"].per_second == pytest.approx(2)


class Nobody:
    """A controller that takes a second per call."""

    def __init__(self, clock: Clock):
        self.clock = clock

    def needs_frame(self, time: int) -> bool:
        return time == 0

    def begin(self, slot: int, seed: int) -> None: ...

    def act(self, slots):
        self.clock.now += 1.0


def test_a_rollout_is_timed_in_blocks_without_the_first_and_without_the_turns_of_others() -> None:
    clock = Clock()
    busy = SimpleNamespace(active=np.ones(4, bool))

    def others() -> None:
        clock.calls.append("others")
        clock.now += 100

    paced = Paced(Nobody(clock), ticks=3, repetitions=2, others=others, clock=clock)
    with pytest.raises(Enough):
        while True:
            paced.act(busy)
    assert paced.seconds == [0.25, 0.25], "three calls of a second for four episodes each, twice"
    assert clock.calls == ["others"] * 2
    assert (paced.needs_frame(0), paced.needs_frame(1)) == (True, False)


def test_others_are_what_is_neither_idle_nor_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    used = iter([(100.0, 40.0, 10.0), (120.0, 45.0, 15.0)])
    monkeypatch.setattr(timing, "_seconds_used", lambda: next(used))
    assert Others().share == pytest.approx((20 - 5 - 5) / 20)


def test_a_machine_has_processors_that_idle_and_work() -> None:
    total, idle, own = timing._seconds_used()
    assert 0 < own < total
    assert 0 < idle < total
