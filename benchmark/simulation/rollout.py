"""Rollouts: a controller drives a fixed list of episodes, many at a time.

Slot i runs the episodes i, i + slots, i + 2 slots, ...: who runs where is decided before anything runs, because counting the
first N episodes to finish favours short ones, that is successes. All slots advance in lockstep and the controller sees one
batch of fixed size per tick, so records depend neither on the number of workers nor on the fate of other episodes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmark.contracts.environment import EnvConfig, Simulator
from benchmark.simulation.pool import Pool, Reply
from benchmark.simulation.protocol import Controller, Outcome, Slots
from benchmark.simulation.workers import SimulationError


def rollout(
    env_cls: type[Simulator],
    env_config: EnvConfig,
    seeds: Sequence[int],
    controller: Controller,
    *,
    slots: int,
    workers: int | None,
    timeout: float,
    shift: str = "none",
    label: bool = False,
    record: Collection[int] = (),
    on_outcome: Callable[[Outcome], None] | None = None,
) -> tuple[list[Outcome], dict[int, np.ndarray]]:
    """Run one episode per seed. Returns their outcomes in order, and the frames (T, V, H, W, 3) of those in `record`.

    `workers` processes simulate (None: one per core; 0: none, all happens in this process). One that gives no sign of life for
    `timeout` seconds during a single reset or step is replaced. `on_outcome` hears of each episode as it ends. The frames that
    the controller sees are the simulators' own memory: they change with the next tick. `shift` names the strength of the visual
    shift that each episode draws. With `label` the controller is also told what the expert would do.
    """
    if slots < 1:
        raise SimulationError(f"a rollout needs at least one slot, not {slots}")
    with Pool(env_cls, env_config, slots, workers, timeout, shift, label) as pool:
        run = _Rollout(pool, controller, seeds, slots, env_cls, env_config, record, on_outcome)
        while run.fill():
            run.tick()
    return sorted(run.outcomes, key=lambda outcome: outcome.episode), run.videos


def episodes_of(slot: int, slots: int, episodes: int) -> range:
    """The episodes that a slot runs, in order."""
    return range(slot, episodes, slots)


@dataclass
class _Running:
    episode: int
    steps: int = 0
    video: list[np.ndarray] = field(default_factory=list)


class _Rollout:
    """The state of a rollout between two ticks."""

    def __init__(
        self,
        pool: Pool,
        controller: Controller,
        seeds: Sequence[int],
        slots: int,
        env_cls: type[Simulator],
        env_config: EnvConfig,
        record: Collection[int],
        on_outcome: Callable[[Outcome], None] | None,
    ):
        spec = env_cls.spec(env_config)
        self.outcomes: list[Outcome] = []
        self.videos: dict[int, np.ndarray] = {}
        self._pool, self._controller, self._seeds, self._record = pool, controller, seeds, set(record)
        self._on_outcome = on_outcome
        self._low, self._high = np.asarray(spec.action_low, np.float32), np.asarray(spec.action_high, np.float32)
        self._looks = [controller.needs_frame(time) for time in range(spec.max_steps)]
        self._queues = [iter(episodes_of(slot, slots, len(seeds))) for slot in range(slots)]
        self._running: dict[int, _Running] = {}
        self._labels = np.zeros((slots, len(self._low)), np.float32)

    def fill(self) -> bool:
        """Start the next episode of every idle slot that has one. False when nothing is left to run."""
        while True:
            idle = [slot for slot in range(len(self._queues)) if slot not in self._running]
            begun = {slot: _Running(episode) for slot in idle if (episode := next(self._queues[slot], None)) is not None}
            if not begun:
                return bool(self._running)
            self._running |= begun
            for slot, running in begun.items():
                self._controller.begin(slot, self._seeds[running.episode])
            seeds = {slot: self._seeds[running.episode] for slot, running in begun.items()}
            self._take(self._pool.begin(seeds, {slot: self._renders(slot) for slot in begun}))

    def tick(self) -> None:
        """One action in every running episode."""
        actions = np.asarray(self._controller.act(self._observe()), np.float32)
        if actions.shape != (expected := (len(self._queues), len(self._low))):
            raise ValueError(f"the controller's actions have shape {actions.shape}, expected {expected}")
        for slot in [slot for slot in self._running if not np.isfinite(actions[slot]).all()]:
            self._pool.abandon(slot)
            self._end(slot, Reply(error=f"the controller's action at step {self._running[slot].steps} is NaN or infinite"))
        clipped = np.clip(actions, self._low, self._high)
        for running in self._running.values():
            running.steps += 1
        self._take(self._pool.step({s: clipped[s].copy() for s in self._running}, {s: self._renders(s) for s in self._running}))

    def _observe(self) -> Slots:
        seen, total = self._pool.observations, len(self._queues)
        active, rendered, time = np.zeros(total, bool), np.zeros(total, bool), np.zeros(total, np.int64)
        for slot, running in self._running.items():
            active[slot], time[slot], rendered[slot] = True, running.steps, self._looks[running.steps]
        frames = seen.frames if any(self._looks) else None
        return Slots(active, time, frames, rendered, seen.proprio.copy(), seen.state.copy(), self._labels)

    def _renders(self, slot: int) -> bool:
        running = self._running[slot]
        last = running.steps >= len(self._looks)
        return not last and (self._looks[running.steps] or running.episode in self._record)

    def _take(self, replies: dict[int, Reply]) -> None:
        for slot, reply in sorted(replies.items()):
            running = self._running[slot]
            if reply.over:
                self._end(slot, reply)
                continue
            if reply.label is not None:
                self._labels[slot] = reply.label
            if running.episode in self._record:
                running.video.append(self._pool.observations.frames[slot].copy())

    def _end(self, slot: int, reply: Reply) -> None:
        running = self._running.pop(slot)
        outcome = Outcome(
            running.episode, self._seeds[running.episode], running.steps, reply.score, reply.error, reply.simulator
        )
        self.outcomes.append(outcome)
        if running.video:
            self.videos[running.episode] = np.stack(running.video)
        if self._on_outcome is not None:
            self._on_outcome(outcome)
