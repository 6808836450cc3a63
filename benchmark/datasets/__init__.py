"""Recordings of other people's making: one importer per format, found by name or by looking.

`FORMATS` names each importer's module; it is imported when first needed, and the packages it reads with when a file is opened.
"""

from __future__ import annotations

import importlib
from pathlib import Path

from benchmark.core.errors import BenchmarkError, UnknownName
from benchmark.datasets.files import inside, reading, survey
from benchmark.datasets.source import Source

FORMATS = {
    "dynamo_release": "DynamoRelease",
    "diffusion_policy_zarr": "DiffusionPolicyZarr",
    "lerobot": "LeRobot",
    "rlds": "Rlds",
    "hdf5": "Hdf5",
    "folder": "Folder",
    "demonstrations": "Demonstrations",
}


def importer(name: str) -> type[Source]:
    if name not in FORMATS:
        raise UnknownName("format", name, FORMATS)
    return getattr(importlib.import_module(f"benchmark.datasets.{name}"), FORMATS[name])


def open_source(path: Path, format_name: str = "auto") -> Source:
    """A data set, opened by the importer of its format, all of whose files lie in it.

    It is read in this process; `reader.Reader` gives the same from a process that is held to a budget.
    """
    cls, _ = look(path, format_name)
    return open_as(cls, path)


def look(path: Path, format_name: str = "auto") -> tuple[type[Source], int]:
    """The importer of a data set, chosen by names only, and the bytes that the data set takes on disk."""
    with reading(path):
        cls = _choose(path, format_name)
    return cls, survey(path)


def open_as(cls: type[Source], path: Path) -> Source:
    with reading(path):
        source = cls(path)
        for file in source.files():
            inside(source.path, file.absolute())
    return source


def _choose(path: Path, format_name: str) -> type[Source]:
    if not path.exists():
        raise BenchmarkError(f"{path} does not exist")
    if not (path.is_file() or path.is_dir()):
        raise BenchmarkError(f"{path} is a device, a pipe or a socket, and no file: refused")
    if path.suffix in (".pkl", ".pickle"):
        raise BenchmarkError(f"{path} is a pickle, which is never opened because it could run code; save it as plain arrays")
    if format_name != "auto":
        return importer(format_name)
    found = [name for name in FORMATS if importer(name).recognises(path)]
    if len(found) != 1:
        known = "\n".join(f"  {name:<22} {importer(name).looks_like}" for name in found or FORMATS)
        which = "could be several formats; choose one with --format (in `data inspect`, --as)"
        what = which if found else "is of no format that is known"
        raise BenchmarkError(f"{path} {what}:\n{known}")
    return importer(found[0])
