"""What cannot run on this machine, and the command that fixes it. Asked where a stage runs, never part of its identity."""

from __future__ import annotations

from collections.abc import Mapping

from benchmark import registry
from benchmark.core.typed import from_json
from benchmark.launch.base import FINAL
from benchmark.models import weights
from benchmark.models.imagenet import RESNET18_IMAGENET
from benchmark.planning.graph import CellId, Plan, RunCell, Stage
from benchmark.stages.params import demos, pretrain
from benchmark.storage.artifacts import Store


def unavailable_reason(stage: Stage) -> str | None:
    """None if the stage can run here, as far as one can tell without running it."""
    match stage.params:
        case demos.Params(env=name, config=values):
            env = registry.envs().get(name)
            return env.unavailable_reason(from_json(env.Config, values))
        case pretrain.Params(method=name, config=values):
            method = registry.methods().get(name)
            config = from_json(method.Config, values)
            if config.init == "imagenet" and (reason := weights.unavailable_reason(RESNET18_IMAGENET)):
                return reason
            return method.unavailable_reason(config)
    return None


def unavailable_stages(plan: Plan, store: Store) -> dict[str, str]:
    """Key of each stage that cannot run here -> why. Asked only of what unfinished cells need; their demonstrations stand for
    the simulator, which rollouts need even where the demonstrations are stored."""
    unfinished = {key for cell in plan.cells if not _finished(cell, store) for key in cell.stages.values()}
    wanted = [s for s in plan.stages.values() if s.key in unfinished and (s.kind == "demos" or not store.has(s.kind, s.key))]
    return {stage.key: reason for stage in wanted if (reason := unavailable_reason(stage))}


def _finished(cell: RunCell, store: Store) -> bool:
    return all(kind in cell.stages for kind in FINAL) and all(store.has(kind, key) for kind, key in cell.stages.items())


def unavailable_cells(plan: Plan, stages: Mapping[str, str], store: Store) -> dict[CellId, str]:
    """The unfinished cells that these stages leave out, and those that are refused on any machine, with the reason."""
    return {cell.id: reason for cell in plan.cells if (reason := _reason(cell, stages)) and not _finished(cell, store)}


def _reason(cell: RunCell, stages: Mapping[str, str]) -> str | None:
    return cell.refused or next((stages[key] for key in cell.stages.values() if key in stages), None)
