"""What a stage takes of a machine: cores, memory, a share of a GPU, minutes. A launcher finds that for it.

Times come from the estimate of the plan, the rest from the kind of stage; `resources.KIND.*` replaces any of it. None of this
is on a key, but two threads add numbers in another order than one. So the cores of a stage depend on the plan and on what is
declared, never on what else runs at that moment, and an interrupted run goes on with the threads it began with.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil

from benchmark.planning.config.schema import Config
from benchmark.planning.estimates import Estimate
from benchmark.planning.graph import RESOURCES, Plan, Stage

GB = 1e9
# A process with torch and a small network has 0.7 GB, measured; frames of demonstrations are mapped and shared.
MEMORY = {
    "demos": 1.0,
    "collect": 1.5,
    "pretrain": 2.0,
    "embed": 1.5,
    "probe": 1.0,
    "tokenize": 1.0,
    "fit": 1.5,
    "rollout": 1.5,
}
# Shares of a GPU, our choice: a pretraining fills one, the small networks of heads leave most of one idle.
SHARE = {"pretrain": 1.0, "embed": 0.5, "tokenize": 0.25, "fit": 0.25, "collect": 0.25, "rollout": 0.25}
SLACK = 3.0  # of the estimated time that a scheduler is asked for: a stage that runs out of it is stopped and queued again
LEAST_MINUTES = 10.0  # to start Python, import torch and read the demonstrations on a busy file system


@dataclass(frozen=True)
class Machine:
    """What stages share side by side; or, not `shared`, what each of them may ask a cluster for."""

    cores: int
    memory: float  # GB
    gpus: int = 0
    shared: bool = True


@dataclass(frozen=True)
class Needs:
    cores: int = 1
    memory: float = 0.0  # GB
    gpu: float = 0.0  # share of one; more than one: that many
    minutes: float = LEAST_MINUTES
    processes: int = 1  # that share these cores, and have a GPU each

    def within(self, machine: Machine) -> Needs:
        """No more than the machine has, so that a stage which asks for too much runs alone instead of never."""
        cores, memory = min(self.cores, machine.cores), min(self.memory, machine.memory)
        return replace(self, cores=cores, memory=memory, gpu=min(self.gpu, float(machine.gpus)))


class Resources:
    """Of the stages of one plan on one kind of machine.

    A cluster is asked for whole gigabytes, and for tens of minutes: stages of one kind that differ in little share an array.
    """

    def __init__(self, plan: Plan, estimates: Mapping[str, Estimate], machine: Machine):
        self._estimates, self._machine = estimates, machine
        self._config: Config = next(iter(plan.configs.values()))  # resources and machine are the same in all of them
        self._alike = Counter(stage.kind for stage in plan.stages.values())  # also those that are stored: see above

    def of(self, stage: Stage) -> Needs:
        given = getattr(self._config.resources, stage.kind)
        gpu = SHARE.get(stage.kind, 0.0) if self._machine.gpus and self._config.machine.device != "cpu" else 0.0
        processes = self._config.machine.processes if stage.kind == "pretrain" and stage.params.learning else 1
        seconds = self._estimates[stage.key].seconds if stage.key in self._estimates else 0.0
        memory = self._estimates[stage.key].memory / GB if stage.key in self._estimates else 0.0
        memory = processes * (memory or MEMORY[stage.kind])
        needs = Needs(
            cores=given.cores or self._cores(stage, processes),
            memory=(memory if self._machine.shared else ceil(memory)) if given.memory is None else given.memory,
            gpu=processes * gpu if given.gpu is None else given.gpu,
            minutes=given.minutes or LEAST_MINUTES * ceil(max(1, SLACK * seconds / 60 / LEAST_MINUTES)),
            processes=processes,
        )
        return needs.within(self._machine)

    def generous(self, needs: Needs) -> Needs:
        """The same for a stage that ran out of memory: alone on its machine, or twice as much of a cluster. Cores stay."""
        return replace(needs, memory=self._machine.memory if self._machine.shared else 2 * needs.memory)

    def _cores(self, stage: Stage, processes: int) -> int:
        """All of them for the only stage of its kind, an equal part where there are several to run side by side."""
        if self._config.machine.threads and not RESOURCES[stage.kind].simulators:
            return processes * self._config.machine.threads
        return max(processes, self._machine.cores // (self._alike[stage.kind] if self._machine.shared else 1))
