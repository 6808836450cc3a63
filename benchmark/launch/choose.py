"""The launcher of a name, and what it may use of the machine it runs on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil
import torch

from benchmark.core.machine import cores
from benchmark.launch.base import Engine, Job
from benchmark.launch.drive import Launcher
from benchmark.launch.execute import Executor
from benchmark.launch.inline import InlineEngine
from benchmark.launch.local import LocalEngine
from benchmark.launch.ray import RayEngine
from benchmark.launch.slurm import SlurmEngine
from benchmark.planning.config.schema import Config, MachineConfig
from benchmark.planning.estimates import Estimate
from benchmark.planning.graph import Plan
from benchmark.planning.resources import GB, Machine, Resources

WORTH = 20.0  # seconds of work below which processes of their own do not pay: each imports torch and plans for 4 s
RESERVED = 0.1  # of the memory: what the system and this process need
NODE_CORES, NODE_MEMORY = 4, 64.0  # of a stage on a cluster, where nothing is declared: our choice; it does not know the nodes
CGROUP = Path("/sys/fs/cgroup/memory.max")  # what a container or a job may have of it


def make_launcher(
    name: str, plan: Plan, estimates: Mapping[str, Estimate], executor: Executor, *, fail_fast: bool, copied: bool = False
) -> Launcher:
    """`copied`: this process may be copied for workers (launch/local.py)."""
    config = next(iter(plan.configs.values()))
    shown = executor.store, executor.events, executor.reporter
    if name == "slurm":
        resources = Resources(plan, estimates, node(config))
        return Launcher(SlurmEngine(config.slurm, *shown), executor, resources, fail_fast, here=False)
    if name == "ray":
        resources = Resources(plan, estimates, node(config))
        return Launcher(RayEngine(config.ray, config.launch.retries, *shown), executor, resources, fail_fast, here=False)
    machine = this_machine(config.machine)
    engine: Engine = InlineEngine(executor)
    if machine.cores > 1 and (config.machine.cores or sum(e.seconds for e in estimates.values()) > WORTH):
        engine = local = LocalEngine(machine, *shown)
        if copied:
            local.copy_myself(len(estimates))
    return Launcher(engine, executor, Resources(plan, estimates, machine), fail_fast)


def described(launcher: Launcher, jobs: Sequence[Job]) -> str:
    """What would be submitted: the scripts of a scheduler, or a line for each stage."""
    if isinstance(launcher.engine, SlurmEngine):
        return "\n".join(launcher.engine.scripts(jobs))
    return "\n".join(
        f"{job.key}  {job.stage.label:<56} {job.needs.cores} cores, {job.needs.memory:g} GB, {job.needs.gpu:g} GPU, "
        f"{job.needs.minutes:g} min"
        for job in jobs
    )


def this_machine(config: MachineConfig) -> Machine:
    """What stages may share here: what the configuration declares, else all there is."""
    gpus = torch.cuda.device_count() if config.gpus is None else config.gpus
    return Machine(config.cores or cores(), config.memory or (1 - RESERVED) * _memory() / GB, gpus)


def node(config: Config) -> Machine:
    """What a stage may ask a cluster for, of which the machine that submits it knows nothing."""
    wanted = config.machine.device == "cuda" or config.slurm.gres is not None
    gpus = int(wanted) if config.machine.gpus is None else config.machine.gpus
    return Machine(config.machine.cores or NODE_CORES, config.machine.memory or NODE_MEMORY, gpus, shared=False)


def _memory() -> float:
    limit = CGROUP.read_text().strip() if CGROUP.is_file() else "max"
    total = float(psutil.virtual_memory().total)
    return total if limit == "max" else min(total, float(limit))
