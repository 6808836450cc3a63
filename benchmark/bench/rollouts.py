"""Rollouts of each environment: its simulator alone, with drawing, a loop over single steps, and whole, the last two with an
untrained encoder and the default head.

The floor of a whole step: simulators that never wait, spread over the workers, then encoder and head at the machine's ceiling
(lockstep lets neither overlap with the other). They take turns while one set of processes lives, because starting a simulator
takes longer than measuring it.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import torch

from benchmark import registry
from benchmark.bench.case import Bench, Case
from benchmark.bench.floor import Cost, flops_of
from benchmark.bench.measurement import Measurement
from benchmark.bench.scale import Scale
from benchmark.bench.serial import Serial
from benchmark.bench.solo import Order, Solo
from benchmark.bench.timing import Rate
from benchmark.contracts.data import Observations
from benchmark.contracts.encoder import Encoder
from benchmark.contracts.environment import EnvConfig, Simulator
from benchmark.contracts.presets import component_config
from benchmark.contracts.specs import PolicySpec
from benchmark.core.errors import Unavailable
from benchmark.core.seeds import evaluation_seed
from benchmark.models.agent import Agent
from benchmark.models.encoders import WIDTHS, build_backbone
from benchmark.models.features import encode
from benchmark.planning.recipes import defaults
from benchmark.simulation.agent import AgentController
from benchmark.simulation.protocol import Controller, Slots
from benchmark.simulation.rollout import rollout
from benchmark.simulation.workers import Failure, SimulationError, Worker, answers, end, num_workers, start

TIMEOUT = 120.0  # seconds; that of rollouts


def cases(scale: Scale) -> list[Case]:
    return [Case(f"rollout/{name}", _measure(name)) for name in registry.envs().names() if _may_simulate(name)]


def _may_simulate(name: str) -> bool:
    """Recordings are no environment to roll out in. A file that cannot be imported is a line with the reason."""
    return registry.envs().problem(name) is not None or issubclass(registry.envs().get(name), Simulator)


def _measure(env: str) -> Callable[[Bench, str], list[Measurement]]:
    def measure(bench: Bench, name: str) -> list[Measurement]:
        cls: Any = registry.envs().get(env)
        config = component_config(cls, bench.scale.preset, env)
        if reason := cls.unavailable_reason(config):
            raise Unavailable(reason)
        return _lines(bench, name, cls, config)

    return measure


def _lines(bench: Bench, name: str, cls: type[Simulator], config: EnvConfig) -> list[Measurement]:
    scale, spec = bench.scale, cls.spec(config)
    encoder, agent = untrained(bench, cls, config)
    controller = AgentController(encoder, agent, scale.slots, precision=bench.precision)
    seconds: dict[str, list[float]] = defaultdict(list)
    [worker] = start(Solo, [(cls, config)], timeout=TIMEOUT, inline=scale.workers == 0, name=cls.name)

    def others() -> None:
        for how, draw in (("simulator", False), ("drawing", True)):
            seconds[how].append(_asked(worker, Order(scale.ticks, draw), cls.name) / scale.ticks)
        assert serial is not None
        seconds["serial"].append(serial(scale.ticks) / scale.ticks)

    serial = None
    try:
        _asked(worker, Order(scale.ticks, True), cls.name)  # what happens once, such as compiling shaders; or it breaks there
        serial = Serial(cls, config, AgentController(encoder, agent, 1, precision=bench.precision))
        serial(scale.ticks)
        paced = Paced(controller, scale.ticks, scale.repetitions, others)
        episodes = scale.slots * (2 + scale.ticks * (scale.repetitions + 1) // spec.max_steps)
        seeds = [evaluation_seed("bench", episode) for episode in range(episodes)]
        with suppress(Enough):
            rollout(cls, config, seeds, paced, slots=scale.slots, workers=scale.workers, timeout=TIMEOUT)
        if not paced.seconds:
            raise SimulationError(f"the episodes of {cls.name} ended before any of them was measured")
        seconds["whole"] = paced.seconds
    finally:
        end([worker], politely=True)
        if serial is not None:
            with suppress(Exception):  # of a broken simulator; what broke it is what counts
                serial.close()
    rates = {how: Rate.of(values) for how, values in seconds.items()}
    workers = max(1, num_workers(scale.workers, scale.slots))
    looks = float(np.mean([controller.needs_frame(time) for time in range(spec.max_steps)]))
    alone, drawn = (rates[how].seconds for how in ("simulator", "drawing"))
    simulating = (alone + looks * max(0.0, drawn - alone)) / workers
    network = bench.ceilings.seconds(cost_of_step(encoder, agent, cls, config, looks), bench.precision)
    floors = {"whole": simulating + network}
    views = f"{len(spec.views)} x {config.resolution} px" if len(spec.views) > 1 else f"{config.resolution} px"
    details = {
        "simulator": "one process",
        "drawing": f"one process, {views}",
        "serial": f"one episode at a time in one process, a frame in {looks:.0%} of the steps",
        "whole": f"{scale.slots} episodes at once, {workers} worker{'s' * (workers > 1)}, "
        f"{rates['serial'].seconds / rates['whole'].seconds:.2g} times as fast as one at a time",
    }
    return [
        Measurement(f"{name}/{how}", "steps/s", rate.per_second, rate.spread, floors.get(how), detail=details[how])
        for how, rate in rates.items()
    ]


def untrained(bench: Bench, cls: type[Simulator], config: EnvConfig) -> tuple[Encoder, Agent]:
    [policy], preset, spec = defaults()["policies"], bench.scale.preset, cls.spec(config)
    torch.manual_seed(0)
    encoder = build_backbone("resnet18", WIDTHS[preset], config.resolution).to(bench.device)
    head = registry.policies().get(policy)
    sizes = PolicySpec(encoder.dim * len(spec.views), spec.action_dim)
    return encoder, Agent.build(head, component_config(head, preset, cls.name), sizes).to(bench.device)


@torch.no_grad()
def cost_of_step(encoder: Encoder, agent: Agent, cls: type[Simulator], config: EnvConfig, looks: float) -> Cost:
    """Of encoder and head, for one step of one episode."""
    device, spec, settings = agent.actions.scale.device, cls.spec(config), agent.policy.config
    frames = torch.zeros(1, len(spec.views), config.resolution, config.resolution, 3, dtype=torch.uint8, device=device)
    seen = flops_of(lambda: encode(encoder, Observations(frames=frames)))
    history = torch.zeros(1, settings.history, agent.policy.spec.feature_dim, device=device)
    planned = flops_of(lambda: agent.act(history, Observations(), [torch.Generator()]))
    return Cost(looks * seen + planned / settings.execute)


def _asked(worker: Worker, order: Order, name: str) -> float:
    worker.send(order)
    [(_, answer)] = answers([worker])
    if isinstance(answer, Failure):
        raise SimulationError(f"the simulator of {name} broke: {answer.reason}")
    return answer


class Enough(Exception):
    """A rollout has been measured; the rest of its episodes is not needed."""


class Paced:
    """Takes the time of a rollout from one call of its controller to another, `ticks` later, and lets others have their turn
    in between. The first block, in which kernels are chosen and caches filled, does not count."""

    def __init__(
        self,
        controller: Controller,
        ticks: int,
        repetitions: int,
        others: Callable[[], None],
        clock: Callable[[], float] = time.perf_counter,
    ):
        self.seconds: list[float] = []  # of a step, for each block
        self._controller, self._ticks, self._blocks, self._others, self._clock = controller, ticks, repetitions, others, clock
        self._calls, self._steps, self._start = 0, 0, 0.0

    def needs_frame(self, time: int) -> bool:
        return self._controller.needs_frame(time)

    def begin(self, slot: int, seed: int) -> None:
        self._controller.begin(slot, seed)

    def act(self, slots: Slots) -> np.ndarray:
        if self._calls % self._ticks == 0:
            self._turn()
        self._calls, self._steps = self._calls + 1, self._steps + int(slots.active.sum())
        return self._controller.act(slots)

    def _turn(self) -> None:
        if self._calls > self._ticks:
            self.seconds.append((self._clock() - self._start) / self._steps)
        if len(self.seconds) == self._blocks:
            raise Enough
        if self._calls:
            self._others()
        self._steps, self._start = 0, self._clock()
