"""Finds what a user can name: one lazy, typed registry per kind of component.

A component is a class in a module of its own: `methods/byol.py`, `policies/knn.py`, `envs/kitchen/__init__.py`. Nothing is
listed anywhere: modules are found by looking, and imported when first asked for. A module may hold several components. Another
package adds rows through entry points in the groups `benchmark.methods`, `benchmark.policies`, `benchmark.envs`.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from functools import cache
from importlib.metadata import entry_points
from types import ModuleType
from typing import Generic, TypeVar

from benchmark.contracts.environment import Environment
from benchmark.contracts.method import Method
from benchmark.contracts.policy import Policy
from benchmark.core.errors import BenchmarkError, UnknownName

T = TypeVar("T")


class Registry(Generic[T]):
    """Names -> classes of one kind."""

    def __init__(self, kind: str, package: str, base: type[T]):
        self.kind, self.package, self.base = kind, package, base
        self._classes: dict[str, type[T]] | None = None

    def names(self) -> list[str]:
        return sorted(self._load())

    def get(self, name: str) -> type[T]:
        """The class of that name; hyphens are as good as underscores."""
        classes = self._load()
        if (plain := name.replace("-", "_")) not in classes:
            raise UnknownName(self.kind, name, classes)
        return classes[plain]

    def add(self, cls: type[T]) -> type[T]:
        """Register a class by hand: for tests and notebooks. Files in the package and entry points need no call."""
        self._insert(self._load(), cls)
        return cls

    def remove(self, name: str) -> None:
        self._load().pop(name, None)

    def _load(self) -> dict[str, type[T]]:
        if self._classes is None:
            found: dict[str, type[T]] = {}
            package = importlib.import_module(self.package)
            for info in pkgutil.iter_modules(package.__path__):
                if info.name.startswith("_"):  # `_shared`: what several components need
                    continue
                module = _import(f"{self.package}.{info.name}")
                for cls in vars(module).values():
                    if self._is_component(cls) and f"{cls.__module__}.".startswith(f"{module.__name__}."):
                        self._insert(found, cls)
            for point in entry_points(group=f"benchmark.{self.package}"):
                self._insert(found, point.load())
            self._classes = found
        return self._classes

    def _is_component(self, obj: object) -> bool:
        return inspect.isclass(obj) and issubclass(obj, self.base) and not inspect.isabstract(obj) and "name" in vars(obj)

    def _insert(self, found: dict[str, type[T]], cls: type[T]) -> None:
        if not (inspect.isclass(cls) and issubclass(cls, self.base)):
            raise BenchmarkError(f"{cls!r} is registered as a {self.kind} but is not a subclass of {self.base.__name__}")
        name = cls.name  # type: ignore[attr-defined]
        if not name.isidentifier():
            raise BenchmarkError(f"{_origin(cls)}: the name '{name}' must be made of letters, digits and underscores")
        if name in found and found[name] is not cls:
            raise BenchmarkError(f"two {self.kind}s are named '{name}': {_origin(found[name])} and {_origin(cls)}")
        found[name] = cls


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise BenchmarkError(f"{name.replace('.', '/')}.py cannot be imported: {type(error).__name__}: {error}") from error


def _origin(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


@cache
def methods() -> Registry[Method]:
    return Registry("method", "methods", Method)  # type: ignore[type-abstract]


@cache
def policies() -> Registry[Policy]:
    return Registry("policy", "policies", Policy)  # type: ignore[type-abstract]


@cache
def envs() -> Registry[Environment]:
    return Registry("environment", "envs", Environment)  # type: ignore[type-abstract]
