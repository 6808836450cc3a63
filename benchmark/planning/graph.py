"""The types of a plan: stages with keys, the cells whose numbers they make, and the graph of both.

A cell is method x variant x environment x policy x seed. Its stages form a graph; stages that several cells need have the same
key and therefore exist once: one set of demonstrations feeds all methods, one pretraining feeds all policies and probes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmark.core.names import row_label
from benchmark.core.typed import to_json
from benchmark.planning.config.schema import Config
from benchmark.planning.keys import Code, code_behind, stage_key
from benchmark.storage.manifests import Ref


@dataclass(frozen=True)
class Resources:
    """What a launcher has to find for a stage."""

    accelerator: bool = False  # it runs faster on a GPU
    simulators: bool = False  # it starts processes of its own, one per core


RESOURCES = {
    "demos": Resources(simulators=True),
    "collect": Resources(accelerator=True, simulators=True),
    "pretrain": Resources(accelerator=True),
    "embed": Resources(accelerator=True),
    "probe": Resources(),
    "tokenize": Resources(accelerator=True),
    "fit": Resources(accelerator=True),
    "rollout": Resources(accelerator=True, simulators=True),
    "visualize": Resources(),
    "video": Resources(accelerator=True, simulators=True),
}


@dataclass(frozen=True)
class Stage:
    """A step of a cell: a function of typed parameters and of the artifacts that it calls by names of its own."""

    kind: str
    key: str
    label: str
    params: Any  # the `Params` of its kind, see benchmark/stages/params/
    inputs: Mapping[str, Ref]
    code: Code
    components: tuple[str, ...] = ()  # modules of the method, policy or environment that it runs

    @property
    def ref(self) -> Ref:
        return Ref(self.kind, self.key)

    @property
    def resources(self) -> Resources:
        return RESOURCES[self.kind]

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "key": self.key,
            "label": self.label,
            "params": to_json(self.params),
            "inputs": {name: str(ref) for name, ref in self.inputs.items()},
            "components": list(self.components),
            "resources": asdict(self.resources),
        }


def make_stage(
    kind: str,
    label: str,
    params: Any,
    inputs: Mapping[str, Ref],
    *components: type,
    code_of: Callable[..., Code] = code_behind,
) -> Stage:
    """Its identity is its kind, parameters and inputs, the code that computes it, and the versions of the libraries that do."""
    modules = tuple(component.__module__ for component in components)
    code = code_of(f"benchmark.stages.{kind}", *modules)
    key = stage_key(kind, params, {name: str(ref) for name, ref in inputs.items()}, code)
    return Stage(kind, key, label, params, inputs, code, modules)


@dataclass(frozen=True)
class CellId:
    """Whose number it is."""

    env: str
    method: str
    variant: str
    policy: str
    seed: int

    @property
    def row(self) -> str:
        return row_label(self.method, self.variant)

    @property
    def label(self) -> str:
        return f"{self.row} · {self.env} · {self.policy} · seed {self.seed}"


@dataclass
class RunCell:
    """One number of the table, and the stages it comes from (kind -> key)."""

    id: CellId
    stages: dict[str, str] = field(default_factory=dict)
    refused: str | None = None  # why there is no such cell, whatever the machine: it has no stages then

    @property
    def label(self) -> str:
        return self.id.label


@dataclass
class Plan:
    preset: str
    cells: list[RunCell]
    stages: dict[str, Stage]
    configs: dict[str, Config]  # per environment
    notes: list[str] = field(default_factory=list)  # what `all` had to leave out

    def acting(self, cell: RunCell) -> dict[str, Any]:
        """The settings of a cell's policy that its fit is made without."""
        acting: dict[str, Any] = self.stages[cell.stages["rollout"]].params.acting
        return acting

    def to_json(self) -> dict[str, Any]:
        cells = [{**asdict(cell.id), "stages": cell.stages, "refused": cell.refused} for cell in self.cells]
        return {"preset": self.preset, "cells": cells, "stages": [stage.to_json() for stage in self.stages.values()]}
