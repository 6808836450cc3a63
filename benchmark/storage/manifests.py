"""What an artifact says of itself: recipe, inputs, the code and the machine behind it, the checksum of each file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from benchmark.core.typed import from_json, to_json

T = TypeVar("T")


@dataclass(frozen=True)
class Ref:
    """The name of an artifact. In JSON: `kind/key`."""

    kind: str
    key: str

    @classmethod
    def parse(cls, text: str) -> Ref:
        kind, _, key = text.partition("/")
        return cls(kind, key)

    def __str__(self) -> str:
        return f"{self.kind}/{self.key}"


@dataclass(frozen=True)
class FileEntry:
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Manifest:
    """`params` and `summary` are JSON here; a stage reads them as its own types (`params_as`, `summary_as`)."""

    kind: str
    key: str
    label: str
    params: Mapping[str, Any]
    inputs: Mapping[str, str]  # what the stage calls an input -> kind/key
    code: str  # the hash of the code that computed it
    libraries: Mapping[str, str]  # the versions of the libraries that computed it
    summary: Mapping[str, Any]
    machine: Mapping[str, Any]  # what was resolved where it ran: device, precision, versions of components
    provenance: Mapping[str, Any]  # versions, commit, hardware
    wall_seconds: float
    finished: str
    files: Mapping[str, FileEntry] = field(default_factory=dict)

    @classmethod
    def parse(cls, data: Any) -> Manifest:
        return from_json(cls, data)

    def to_json(self) -> dict[str, Any]:
        return to_json(self)

    def params_as(self, cls: type[T]) -> T:
        return from_json(cls, self.params)

    def summary_as(self, cls: type[T]) -> T:
        return from_json(cls, self.summary)

    def input(self, name: str) -> Ref:
        return Ref.parse(self.inputs[name])
