"""What an artifact says of itself: recipe, inputs, the code and the machine behind it, the checksum of each file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from benchmark.core.errors import BenchmarkError
from benchmark.core.typed import from_json, to_json

T = TypeVar("T")
CHECKSUM = "checksum"  # of all else that a manifest says


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

    @classmethod
    def read(cls, data: bytes) -> Manifest:
        """That of an artifact wherever it lies, its checksum found right."""
        manifest = json.loads(data)
        return cls.parse(parse_raw(data, manifest.get("kind", ""), manifest.get("key", ""), of_stage=True))

    def to_json(self) -> dict[str, Any]:
        return to_json(self)

    def params_as(self, cls: type[T]) -> T:
        return from_json(cls, self.params)

    def summary_as(self, cls: type[T]) -> T:
        return from_json(cls, self.summary)

    def input(self, name: str) -> Ref:
        return Ref.parse(self.inputs[name])


def signed(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest as JSON, with its checksum."""
    plain = json.loads(json.dumps(manifest))
    return {**plain, CHECKSUM: _checksum(plain)}


def parse_raw(data: bytes, kind: str, key: str, of_stage: bool) -> dict[str, Any]:
    """The manifest of an artifact as JSON, its checksum and its list of files found right. Recordings may be moved and
    renamed."""
    manifest = json.loads(data)
    if not isinstance(manifest, dict):
        raise BenchmarkError(f"a manifest is an object, not {str(manifest)[:40]!r}")
    if manifest.pop(CHECKSUM, None) != _checksum(manifest):
        raise BenchmarkError("the manifest does not match its own checksum")
    if of_stage and (manifest.get("kind"), manifest.get("key")) != (kind, key):
        raise BenchmarkError(f"the manifest is of {manifest.get('kind')}/{manifest.get('key')}, not of {kind}/{key}")
    files = manifest.get("files")
    if not isinstance(files, dict):
        raise BenchmarkError("the manifest lists no files")
    for name, entry in files.items():
        if not (isinstance(entry, dict) and isinstance(entry.get("sha256"), str) and type(entry.get("bytes")) is int):
            raise BenchmarkError(f"the manifest says nothing of the size and checksum of {name}")
    return manifest


def _checksum(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
