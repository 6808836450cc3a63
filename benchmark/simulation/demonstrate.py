"""Demonstrations by the scripted expert, recorded in parallel and handed over in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np

from benchmark.contracts.data import Episode
from benchmark.contracts.environment import EnvConfig, Simulator
from benchmark.core.seeds import seed as seed_of
from benchmark.simulation.observations import ObservationBuffer, SharedArray, checked_score
from benchmark.simulation.shift import Shift
from benchmark.simulation.workers import Failure, Pulse, SimulationError, Worker, answers, end, num_workers, reason, start

AHEAD = 2  # finished episodes that may wait for an earlier one, per worker: what bounds the memory


def demonstrate(
    env_cls: type[Simulator],
    env_config: EnvConfig,
    seeds: Sequence[int],
    *,
    workers: int | None,
    timeout: float,
    shift: str = "none",
) -> Iterator[Episode]:
    """Yields one demonstration per seed, in the order of the seeds.

    `workers`, `timeout` and `shift` are as in `rollout`. An episode that crashes is tried once more by a fresh worker, in case
    the first was to blame; then it is an error.
    """
    with _Recording(env_cls, env_config, seeds, workers, timeout, shift) as recording:
        for index in range(len(seeds)):
            recording.dispatch(index)
            while index not in recording.done:
                recording.collect()
                recording.dispatch(index)
            yield recording.done.pop(index)


class Recorder:
    """Records whole episodes inside a worker, into memory that it shares with the parent."""

    def __init__(
        self,
        pulse: Pulse,
        cls: type[Simulator],
        config: EnvConfig,
        observations: ObservationBuffer,
        actions: SharedArray,
        shift: str,
    ):
        self._pulse, self._observations, self._actions, self._shift = pulse, observations, actions, shift
        self._spec = cls.spec(config)
        self._env = cls(config)

    def __call__(self, seed: int) -> dict[str, Any] | Failure:
        """The info of the episode. The first `info["steps"]` rows of the shared memory hold the rest."""
        try:
            return self._record(seed)
        except Exception as error:
            return Failure(reason(error))

    def close(self) -> None:
        self._env.close()

    def _record(self, seed: int) -> dict[str, Any]:
        env, steps, over = self._env, 0, False
        self._pulse.beat()
        env.reset(seed)
        shift = Shift.draw(self._shift, seed, self._spec)
        expert = env.expert(seed_of("expert", seed))
        while not over and steps < self._spec.max_steps:
            self._pulse.beat()
            action = expert.act()
            if action is None:
                break
            if not np.isfinite(action).all():
                raise ValueError(f"the expert's action at step {steps} is NaN or infinite")
            action = np.clip(action, self._spec.action_low, self._spec.action_high).astype(np.float32)
            self._observations.put(steps, env, render=True, shift=shift)
            self._actions.array[steps] = action
            over = env.step(np.clip(expert.executed(action), self._spec.action_low, self._spec.action_high).astype(np.float32))
            steps += 1
        if steps == 0:
            raise ValueError("the expert finished before its first action")
        score = checked_score(env.score(), self._spec.metric)
        return {**expert.info, "seed": seed, "steps": steps, "score": score, "simulator": env.describe()}


@dataclass
class WorkerSlot:
    """A worker's place. The memory stays, the worker may be replaced."""

    observations: ObservationBuffer
    actions: SharedArray
    busy: int | None = None  # the number of the episode


class _Recording:
    """Who records what, and what is waiting to be handed over."""

    def __init__(
        self,
        cls: type[Simulator],
        config: EnvConfig,
        seeds: Sequence[int],
        workers: int | None,
        timeout: float,
        shift: str,
    ):
        spec = cls.spec(config)
        self.done: dict[int, Episode] = {}
        self._cls, self._config, self._seeds, self._timeout, self._shift = cls, config, seeds, timeout, shift
        self._inline = workers == 0
        self._slots = [
            WorkerSlot(
                ObservationBuffer(spec, config.resolution, spec.max_steps),
                SharedArray((spec.max_steps, spec.action_dim), np.float32),
            )
            for _ in range(num_workers(1 if self._inline else workers, len(seeds)))
        ]
        self._workers: list[Worker] = []
        self._dispatched = 0
        self._retried: set[int] = set()

    def __enter__(self) -> _Recording:
        self._workers = self._start(self._slots)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        end(self._workers, politely=all(slot.busy is None for slot in self._slots))

    def dispatch(self, wanted: int) -> None:
        """Give work to the idle, but not too far ahead of the episode that is wanted next."""
        limit = min(len(self._seeds), wanted + AHEAD * len(self._slots))
        for worker, slot in zip(self._workers, self._slots, strict=True):
            if slot.busy is None and self._dispatched < limit:
                slot.busy = self._dispatched
                self._dispatched += 1
                worker.send(self._seeds[slot.busy])

    def collect(self) -> None:
        """Wait until at least one worker has answered."""
        slots = {worker: slot for worker, slot in zip(self._workers, self._slots, strict=True) if slot.busy is not None}
        for worker, answer in answers(slots):
            slot = slots[worker]
            assert slot.busy is not None
            if isinstance(answer, Failure):
                self._retry(self._workers.index(worker), slot.busy, answer)
            else:
                self.done[slot.busy] = _episode(slot, answer)
                slot.busy = None

    def _retry(self, place: int, index: int, failure: Failure) -> None:
        seed = self._seeds[index]
        if index in self._retried:
            raise SimulationError(f"the demonstration of {self._cls.name} with seed {seed} failed twice: {failure.reason}")
        self._retried.add(index)
        self._workers[place].end()
        [self._workers[place]] = self._start([self._slots[place]])
        self._workers[place].send(seed)

    def _start(self, slots: Sequence[WorkerSlot]) -> list[Worker]:
        jobs = [(self._cls, self._config, slot.observations, slot.actions, self._shift) for slot in slots]
        return start(Recorder, jobs, timeout=self._timeout, inline=self._inline, name=self._cls.name)


def _episode(slot: WorkerSlot, info: dict[str, Any]) -> Episode:
    """A copy, because the slot's memory is for the next one."""
    seen, steps = slot.observations, info["steps"]
    return Episode(
        frames=seen.frames[:steps].copy(),
        actions=slot.actions.array[:steps].copy(),
        states=seen.state[:steps].copy(),
        proprio=seen.proprio[:steps].copy(),
        info=info,
    )
