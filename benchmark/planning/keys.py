"""What stands on the key of a stage besides its parameters and inputs: the code that computes it and the libraries it uses.

A key that misses a line of code serves stale results, so imports are followed through every module that can change without a
version saying so: the rooms of this package, the user's files and packages wherever they lie, and plug-ins. Of any other
installed distribution the version counts. Modules are found as Python finds them and read without being imported; comments,
docstrings, formatting and what stands under `if TYPE_CHECKING:` do not count, nor does the version of Python, whose syntax
trees differ in fields that are empty.

Not followed, because no text names it: a module imported under a computed name. The one here, in benchmark/datasets, opens the
recordings of others while they are imported into the store; a stage reads the import, and its key has the sha256 of that.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

from benchmark.core.errors import BenchmarkError
from benchmark.core.provenance import plugins
from benchmark.planning.sources import READER, Source, noted, read
from benchmark.storage.files import key_of

INERT = (  # modules and packages that cannot change a number: the Python interface, messages, the store, the launchers, names
    "benchmark.api",
    "benchmark.core.errors",
    "benchmark.core.progress",
    "benchmark.core.provenance",
    "benchmark.registry",
    "benchmark.storage",
    "benchmark.stages.base",
    "benchmark.planning.keys",
    "benchmark.launch",
)

Stamp = tuple[int, int] | None  # of a file or folder: time of the last change and size; None if it is gone


@dataclass(frozen=True)
class Code:
    """The version of the code behind a stage."""

    digest: str  # of every followed module
    libraries: Mapping[str, str]  # distribution -> version, of the other packages that these modules import


@dataclass(frozen=True)
class _Closure:
    """Modules with all they import, and the stamps that say whether this is still so."""

    modules: frozenset[str]
    code: Code
    stamps: Mapping[str, Stamp]

    def fresh(self) -> bool:
        return all(_stamp(path) == stamp for path, stamp in self.stamps.items())


_closures: dict[tuple[frozenset[str], tuple[str, ...]], _Closure] = {}  # by modules and the path they were looked for on


def stage_key(kind: str, params: Any, inputs: Mapping[str, str], code: Code) -> str:
    """The name of an artifact: equal for stages that compute the same, and for no others. `params` may be JSON."""
    code_parts = {"digest": code.digest, "libraries": dict(code.libraries)}
    return key_of({"kind": kind, "params": params, "inputs": dict(inputs), "code": code_parts})


def code_behind(*modules: str) -> Code:
    """The version of the given modules and of everything they import. Files edited since are read again."""
    return _closure(modules).code


def modules_behind(*modules: str) -> set[str]:
    """The given modules and all that is followed from them and can change a number."""
    return set(_closure(modules).modules)


def _closure(modules: tuple[str, ...]) -> _Closure:
    request = (frozenset(modules), tuple(sys.path))
    closure = _closures.get(request)
    if closure is None or not closure.fresh():
        closure = _closures[request] = _follow(modules)
    return closure


def _follow(modules: tuple[str, ...]) -> _Closure:
    digests: dict[str, str] = {}
    libraries: set[str] = set()
    stamps: dict[str, Stamp] = {}
    for module in modules:
        _require_file(module)
    seen: set[str] = set()
    todo = list(modules)
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        top, _, rest = name.partition(".")
        if top in sys.stdlib_module_names or any(f"{name}.".startswith(f"{inert}.") for inert in INERT):
            continue
        if owners := _owners(top):
            libraries |= owners if len(owners) == 1 else _sharing(owners, name)
            continue
        if rest:
            todo.append(name.rpartition(".")[0])  # importing a.b runs a/__init__.py as well
        star = name.endswith(".*")
        file, folders = _locate(name.removesuffix(".*"))
        if file is None or (stamp := _stamp(file)) is None:
            continue
        source = _read(file, stamp, _package(name.removesuffix(".*"), folders is not None))
        if star:
            todo += [f"{name.removesuffix('*')}{export}" for export in source.exports]
            continue
        digests[name] = source.digest
        todo += source.imports
        stamps[file] = stamp
        folder = os.path.dirname(file)
        stamps[folder] = _stamp(folder)  # a file that appears here may be what an import means from now on
    text = "".join(f"{name}:{digest}\n" for name, digest in sorted(digests.items()))
    versions = {name: _version(name) for name in sorted(libraries)}
    return _Closure(frozenset(digests), Code(hashlib.sha256(text.encode()).hexdigest()[:20], versions), stamps)


def _require_file(module: str) -> None:
    file, _ = _locate(module)
    if file is None and module == "__main__":
        raise BenchmarkError(
            "a component defined in a notebook or at a prompt has no file, so nothing could say later which code made its "
            "results, and other processes could not import it: put it into a file, e.g. methods/mine.py"
        )
    if file is None or not os.path.isfile(file):
        raise BenchmarkError(f"the code of the module {module} cannot be read: it has no file")


def _locate(name: str) -> tuple[str | None, Sequence[str] | None]:
    """The file of a module and, of a package, the folders of its modules, found without importing anything."""
    if (module := sys.modules.get(name)) is not None:
        return getattr(module, "__file__", None), getattr(module, "__path__", None)
    folders: Sequence[str] | None = None
    if parent := name.rpartition(".")[0]:
        folders = _locate(parent)[1]
        if folders is None:  # `from module import attribute`
            return None, None
    for finder in sys.meta_path:
        try:
            spec = finder.find_spec(name, folders)
        except Exception:  # a finder of someone else's that does not answer
            continue
        if spec is not None:
            return spec.origin if spec.has_location else None, spec.submodule_search_locations
    return None, None


def _package(module: str, is_package: bool) -> str:
    """Where its relative imports begin; `python -m package.module` runs as `__main__`, which only the module itself knows."""
    package = getattr(sys.modules.get(module), "__package__", None)
    return package or (module if is_package else module.rpartition(".")[0])


def _stamp(path: str) -> Stamp:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


@cache
def _read(file: str, stamp: Stamp, package: str) -> Source:
    """One module, as it was at that stamp."""
    return read(Path(file).read_bytes(), package)


@cache
def _owners(top: str) -> frozenset[str]:
    """The installed distributions whose version stands for a top-level module; none where the code itself has to.

    Code lies where it is edited unless pip copied it: into site-packages, or beside the list of files it copied.
    """
    if top == "benchmark":
        return frozenset()
    file, folders = _locate(top)
    places = [Path(place) for place in ([file] if file else folders or ())]
    owners = set()
    for name in set(_distributions().get(top, ())) - plugins().keys():
        distribution = importlib.metadata.distribution(name)
        root = Path(str(distribution.locate_file("")))
        copied = root.name in ("site-packages", "dist-packages") or distribution.read_text("RECORD") is not None
        if copied and any(place.is_relative_to(root) for place in places):
            owners.add(name)
    return frozenset(owners)


@cache
def _sharing(owners: frozenset[str], name: str) -> frozenset[str]:
    """Which of the distributions that share a namespace (`google`, `nvidia`) have files of that module."""
    parts = name.split(".")
    for depth in range(len(parts), 1, -1):
        path = "/".join(parts[:depth])
        starts = (f"{path}/", f"{path}.")
        files = {owner: importlib.metadata.files(owner) or () for owner in owners}
        if having := frozenset(o for o, listed in files.items() if any(f.as_posix().startswith(starts) for f in listed)):
            return having
    return frozenset()


@dataclass(frozen=True)
class _Installed:
    distributions: Mapping[str, tuple[str, ...]]  # by the names of the modules and packages that they brought


@cache
def _distributions() -> Mapping[str, Sequence[str]]:
    """Looking takes a quarter of a second; what is installed or removed changes a folder that is looked into."""
    looked_into = repr([READER, *((os.path.abspath(path), _stamp(path or ".")) for path in sys.path)])
    return noted(_Installed, looked_into.encode(), _installed).distributions


def _installed() -> _Installed:
    return _Installed({top: tuple(names) for top, names in packages_distributions().items()})


def _version(distribution: str) -> str:
    """Without the build (`+cu130`): the same release computes the same, and the machine is recorded elsewhere."""
    return importlib.metadata.version(distribution).partition("+")[0]
