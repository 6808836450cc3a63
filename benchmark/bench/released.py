"""A training step of released code, from a checkout of it, to take turns with ours.

How the release of a method or a policy is driven stands in scripts/released_NAME.py of this repository, which the comparison of
losses uses as well. What is needed of it: `load_release(checkout)` and a class `Released`. A method's is made from (release,
config, steps, device, dtype) and has `prepare(frames)` and `step(batch, number)`; a policy's is made from (release, config,
episodes, device) and has `step()`.
"""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from benchmark.bench.steps import STEPS
from benchmark.contracts.data import Windows
from benchmark.core.errors import BenchmarkError
from benchmark.core.provenance import ROOT

SCRIPTS = ROOT / "scripts"
URL = "https://github.com/jeffacce/dynamo_ssl"


def scripts() -> dict[str, Path]:
    """Method or policy -> the script that drives its release."""
    return {path.stem.removeprefix("released_"): path for path in sorted(SCRIPTS.glob("released_*.py"))}


def check(checkout: Path, names: Collection[str]) -> None:
    """A checkout that cannot be used for these methods and policies stops the run before anything is measured."""
    if not scripts():
        raise BenchmarkError(f"--reference needs scripts/released_*.py of a checkout of this repository; {SCRIPTS} has none")
    for name in scripts().keys() & set(names):
        _load(scripts()[name]).load_release(checkout)


def released_step(method: str, checkout: Path, config: Any, batch: Windows, device: str) -> Callable[[], object]:
    """A step in float32, as released, on the same frames each time; that they become floats, and its loader, are not timed."""
    script = _load(scripts()[method])
    torch.manual_seed(0)
    released = script.Released(script.load_release(checkout), config, STEPS, device, torch.float32)
    batch.frames = released.prepare(batch.frames)
    numbers = itertools.count()
    return lambda: released.step(batch, next(numbers))


def released_fit(
    policy: str, checkout: Path, config: Any, episodes: Sequence[tuple[Tensor, Tensor]], device: str
) -> Callable[[], object]:
    """A step on features (T, V, E) and actions (T, A) of these episodes, its loader included, in float32 as released."""
    script = _load(scripts()[policy])
    torch.manual_seed(0)
    return script.Released(script.load_release(checkout), config, episodes, device).step


def modules_of(checkout: Path, names: Sequence[str], install: Sequence[str]) -> list[ModuleType]:
    """Modules of a checkout of the release; `install` are packages that they import."""
    packages = {name.split(".")[0] for name in names}
    for name in names:
        if not (checkout / name.replace(".", "/")).with_suffix(".py").is_file():
            raise _no_checkout(checkout, name)
    try:
        with _packages(checkout, packages):
            return [importlib.import_module(name) for name in names]
    except ModuleNotFoundError as error:
        missing = error.name or ""
        package = missing.split(".")[0]
        if package in packages:
            raise _no_checkout(checkout, missing) from error
        command = f"python -m pip install {' '.join(sorted({package, *install}))}"
        raise BenchmarkError(f"the release imports {package}, which is not installed; {command}") from error


def _no_checkout(checkout: Path, module: str) -> BenchmarkError:
    path = f"{module.replace('.', '/')}.py"
    return BenchmarkError(f"{checkout} is no checkout of the release, it has no {path}; git clone {URL}")


@contextmanager
def _packages(checkout: Path, names: set[str]) -> Iterator[None]:
    """They can be imported for so long only, because `models` and `datasets` are common names, and without their __init__.py,
    which wants simulators and loggers."""

    def entered() -> list[str]:
        return [name for name in sys.modules if name.split(".")[0] in names]

    others = {name: sys.modules.pop(name) for name in entered()}
    for name in names:
        package = sys.modules[name] = ModuleType(name)
        package.__path__ = [str(checkout.resolve() / name)]
    try:
        yield
    finally:
        for name in entered():
            del sys.modules[name]
        sys.modules.update(others)


def _load(path: Path) -> ModuleType:
    if path.stem not in sys.modules:
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[path.stem] = importlib.util.module_from_spec(spec)  # first: dataclasses look their types up there
        spec.loader.exec_module(sys.modules[path.stem])
    return sys.modules[path.stem]
