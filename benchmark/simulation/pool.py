"""Simulators addressed by slot, wherever they run.

A slot's episode is a function of its seed and actions. So when a worker dies, only the episode that it was simulating at that
moment is lost: the others of that worker are played again in its successor from their seed and the actions so far, and what an
episode ends with does not depend on which episodes share a process with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import NamedTuple

import numpy as np

from benchmark.contracts.environment import EnvConfig, Expert, Simulator
from benchmark.core.seeds import seed as seed_of
from benchmark.simulation.observations import ObservationBuffer, checked_score
from benchmark.simulation.shift import Shift
from benchmark.simulation.workers import Failure, Pulse, Worker, answers, end, num_workers, reason, start


class Order(NamedTuple):
    """What a slot is to do: start the episode of a seed if there is one, apply actions, show what it sees."""

    slot: int
    seed: int | None
    actions: list[np.ndarray]
    render: bool


class Reply(NamedTuple):
    """What became of an episode: it goes on, unless it has a score or an error."""

    score: dict[str, float] | None = None
    error: str | None = None
    simulator: dict[str, str] | None = None
    label: np.ndarray | None = None  # what the expert would do now

    @property
    def over(self) -> bool:
        return self.score is not None or self.error is not None


class Simulators:
    """The simulators of some slots, inside the process that owns them: one environment per slot, reused."""

    def __init__(
        self,
        pulse: Pulse,
        cls: type[Simulator],
        config: EnvConfig,
        slots: Sequence[int],
        observations: ObservationBuffer,
        shift: str = "none",
        label: bool = False,
    ):
        self._pulse, self._cls, self._config, self._observations, self._shift = pulse, cls, config, observations, shift
        self._spec, self._label = cls.spec(config), label
        self._shifts: dict[int, Shift | None] = {}
        self._experts: dict[int, Expert] = {}
        self._envs = {slot: self._build(slot) for slot in slots}
        self._steps = dict.fromkeys(slots, 0)

    def __call__(self, orders: list[Order]) -> dict[int, Reply]:
        return {order.slot: self._obey(order) for order in orders}

    def close(self) -> None:
        for env in self._envs.values():
            env.close()

    def _obey(self, order: Order) -> Reply:
        try:
            return self._simulate(order)
        except Exception as error:
            if order.slot in self._envs:
                with suppress(Exception):  # of a broken simulator; what broke it is what counts
                    self._envs.pop(order.slot).close()
            return Reply(error=reason(error))

    def _simulate(self, order: Order) -> Reply:
        slot, over = order.slot, False
        if order.seed is not None:
            env = self._envs.get(slot) or self._build(slot)
            self._pulse.beat(slot)
            env.reset(order.seed)
            self._envs[slot], self._steps[slot] = env, 0
            self._shifts[slot] = Shift.draw(self._shift, order.seed, self._spec)
            if self._label:
                self._experts[slot] = env.expert(seed_of("expert", order.seed))
        env = self._envs[slot]
        for action in order.actions:
            self._pulse.beat(slot)
            over = env.step(action)
            self._steps[slot] += 1
        self._pulse.beat(slot)
        if over or self._steps[slot] >= self._spec.max_steps:
            return Reply(score=checked_score(env.score(), self._spec.metric), simulator=env.describe())
        self._observations.put(slot, env, order.render, self._shifts[slot])
        return Reply(label=self._experts[slot].act() if self._label else None)

    def _build(self, slot: int) -> Simulator:
        self._pulse.beat(slot)
        return self._cls(self._config)


class Pool:
    """All slots of a rollout, spread over workers. Observations of each slot are in `observations`."""

    def __init__(
        self,
        cls: type[Simulator],
        config: EnvConfig,
        slots: int,
        workers: int | None,
        timeout: float,
        shift: str = "none",
        label: bool = False,
    ):
        """`label`: the expert, which has to be one of any state, says in every reply what it would do."""
        self.observations = ObservationBuffer(cls.spec(config), config.resolution, slots)
        self._cls, self._config, self._timeout, self._shift, self._label = cls, config, timeout, shift, label
        size = num_workers(workers, slots)
        self._inline = size == 0
        self._shares = [range(first, slots, max(1, size)) for first in range(max(1, size))]
        self._workers: list[Worker] = []
        self._past: dict[int, tuple[int, list[np.ndarray]]] = {}  # of each running episode: its seed, the actions so far
        self._settled = True  # nobody is in the middle of something

    def __enter__(self) -> Pool:
        self._workers = self._start(self._shares)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        end(self._workers, politely=self._settled)

    def begin(self, seeds: Mapping[int, int], render: Mapping[int, bool]) -> dict[int, Reply]:
        """Starts episodes: slot -> seed."""
        for slot, seed in seeds.items():
            self._past[slot] = (seed, [])
        return self._run({slot: Order(slot, seed, [], render[slot]) for slot, seed in seeds.items()})

    def step(self, actions: Mapping[int, np.ndarray], render: Mapping[int, bool]) -> dict[int, Reply]:
        """One step of some slots, in parallel across workers. A slot that was not asked may reply as well: it crashed."""
        for slot, action in actions.items():
            self._past[slot][1].append(action)
        return self._run({slot: Order(slot, None, [action], render[slot]) for slot, action in actions.items()})

    def abandon(self, slot: int) -> None:
        """The episode in this slot is over for reasons that the simulator does not know."""
        del self._past[slot]

    def _run(self, orders: dict[int, Order]) -> dict[int, Reply]:
        replies: dict[int, Reply] = {}
        waiting: dict[Worker, int] = {}
        self._settled = False
        for index, (worker, share) in enumerate(zip(self._workers, self._shares, strict=True)):
            if batch := [orders[slot] for slot in share if slot in orders]:
                worker.send(batch)
                waiting[worker] = index
        while waiting:
            for worker, answer in answers(waiting):
                index = waiting.pop(worker)
                if isinstance(answer, Failure):
                    answer = self._lost(index, answer)
                    if again := self._again(index, orders):
                        self._workers[index].send(again)
                        waiting[self._workers[index]] = index
                replies.update({slot: reply for slot, reply in answer.items() if slot in orders or reply.over})
                for slot, reply in answer.items():
                    if reply.over:
                        self._past.pop(slot, None)
        self._settled = True
        return replies

    def _lost(self, index: int, failure: Failure) -> dict[int, Reply]:
        """Replaces a worker. Its crashed episode is the one in its hands; if it had none in its hands, all that ran there."""
        busy = self._workers[index].pulse.slot
        self._workers[index].end()
        [self._workers[index]] = self._start([self._shares[index]])
        crashed = [busy] if busy in self._past else [slot for slot in self._shares[index] if slot in self._past]
        for slot in crashed:
            del self._past[slot]
        return {slot: Reply(error=failure.reason) for slot in crashed}

    def _again(self, index: int, orders: Mapping[int, Order]) -> list[Order]:
        """What brings the surviving episodes of a replaced worker to where they should be now."""
        running = [slot for slot in self._shares[index] if slot in self._past]
        return [Order(slot, *self._past[slot], render=slot in orders and orders[slot].render) for slot in running]

    def _start(self, shares: Sequence[Sequence[int]]) -> list[Worker]:
        jobs = [(self._cls, self._config, share, self.observations, self._shift, self._label) for share in shares]
        return start(Simulators, jobs, timeout=self._timeout, inline=self._inline, name=self._cls.name)
