"""One stage in a process that a launcher started: what every engine has in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from benchmark import registry
from benchmark.core.errors import BenchmarkError, Lost, Memory
from benchmark.launch.base import End, Ending, published
from benchmark.launch.execute import Busy, Executor, OutOfMemory, StageFailed
from benchmark.planning.graph import Stage

END_OF = {Memory.MACHINE: End.MEMORY, Memory.GPU: End.GPU_MEMORY}


def execute_key(executor: Executor, key: str, *, patient: bool = False) -> Ending:
    """Execute a stage by its key, as it was described. Refused where the code of this process would compute another one."""
    try:
        stage, execution = published(executor.store, key)
    except BenchmarkError as error:
        return Ending(key, End.FAILED, str(error))
    try:
        return ending_of(replace(executor, execution=execution), stage, patient=patient)
    except OSError as error:  # of the store itself, where the stage has not begun: a disk without room for a claim
        return Ending(key, End.FAILED, f"{error.strerror}: {error.filename}")


def ending_of(executor: Executor, stage: Stage, *, patient: bool = False) -> Ending:
    """Execute a stage and say how that ended. An interruption goes on upwards."""
    try:
        executor.execute(stage, patient=patient)
    except Busy:
        return Ending(stage.key, End.TAKEN)
    except OutOfMemory as error:
        return Ending(stage.key, END_OF[error.memory], str(error))
    except Lost as error:
        return Ending(stage.key, End.LOST, str(error))
    except StageFailed as error:
        return Ending(stage.key, End.FAILED, str(error))
    return Ending(stage.key, End.DONE)


def added_components() -> dict[str, list[type]]:
    """The classes that were registered by hand in this process: another one finds files and entry points by itself."""
    return {"methods": registry.methods().added(), "policies": registry.policies().added(), "envs": registry.envs().added()}


def add_components(classes: Mapping[str, Iterable[type]]) -> None:
    for room, added in classes.items():
        for cls in added:
            getattr(registry, room)().add(cls)
