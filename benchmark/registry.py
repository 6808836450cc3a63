"""Finds what a user can name: one lazy, typed registry per kind of component.

A component is a class in a module of its own: `methods/byol.py`, `policies/knn.py`, `envs/kitchen/__init__.py`, imported as
`benchmark.methods.byol` and so on, so that a project with a `methods` package of its own is in nobody's way. Nothing is listed
anywhere: names are read from the text of the modules, `name = "byol"` in the body of a class, and a module is imported
when its component is first asked for. So a file that is broken hurts its own row only. Another package adds rows through entry
points in the groups `benchmark.methods`, `benchmark.policies`, `benchmark.envs`; an entry point is called as its class is.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from benchmark.core.errors import BenchmarkError, UnknownName
from benchmark.core.names import plain

if TYPE_CHECKING:  # torch comes with them
    from benchmark.contracts.environment import Environment
    from benchmark.contracts.method import Method
    from benchmark.contracts.policy import Policy

T = TypeVar("T")


@dataclass(frozen=True)
class Origin:
    """Where a component comes from."""

    where: str  # module:Class; the module alone if it cannot be read
    source: str  # the file or entry point, for messages
    load: Callable[[], Any]
    by_hand: bool = False


class Registry(Generic[T]):
    """Names -> classes of one kind."""

    def __init__(self, kind: str, package: str, base: str):
        """`base` is module:Class of what components derive from, imported with the first of them."""
        self.kind, self.package, self._base = kind, package, base
        self._folder = package.removeprefix("benchmark.")  # as a checkout has it, for messages
        self._origins: dict[str, list[Origin]] | None = None
        self._classes: dict[str, type[T]] = {}

    def names(self) -> list[str]:
        """All there are, those that cannot be loaded among them: see `problem`."""
        return sorted(self._listed())

    def get(self, name: str) -> type[T]:
        """The class of that name; hyphens are as good as underscores. `recording:mine` is what the class makes of `mine`."""
        name, _, instance = name.partition(":")
        if instance:
            named = getattr(self.get(name), "named", None)
            if named is None:
                raise UnknownName(self.kind, f"{name}:{instance}", self._listed())
            return named(instance)
        origin, name = self._origin(name), plain(name)
        if name not in self._classes:
            try:
                cls = origin.load()
            except (Exception, SystemExit) as error:
                raise BenchmarkError(f"{origin.source} cannot be imported: {_one_line(error)}") from error
            self._classes[name] = self._checked(cls, name, origin.where)
        return self._classes[name]

    def problem(self, name: str) -> str | None:
        """Why a listed component cannot be loaded, in one line; None if it can."""
        try:
            self.get(name)
        except UnknownName:
            raise
        except BenchmarkError as error:
            return " ".join(str(error).split())
        return None

    def where(self, name: str) -> str:
        """`module:Class` of a component, which need not load; the module alone if that cannot be read."""
        return self._origin(name).where

    def add(self, cls: type[T]) -> type[T]:
        """Register a class by hand: for tests and notebooks. Files in the package and entry points need no call."""
        where = f"{cls.__module__}:{cls.__qualname__}"
        name = getattr(cls, "name", "")
        self._checked(cls, name, where)
        others = [origin for origin in self._listed().get(name, []) if origin.where != where]
        if others:
            raise self._clash(name, [*others, Origin(where, where, lambda: cls)])
        self._listed()[name] = [Origin(where, where, lambda: cls, by_hand=True)]
        self._classes[name] = cls
        return cls

    def added(self) -> list[type[T]]:
        """Those registered by hand, which another process has to be told of."""
        return [cls for name, cls in self._classes.items() if self._listed()[name][0].by_hand]

    def remove(self, name: str) -> None:
        self._listed().pop(name, None)
        self._classes.pop(name, None)

    def _origin(self, name: str) -> Origin:
        listed = self._listed()
        if (key := plain(name)) not in listed:
            raise self._unknown(name)
        if len(listed[key]) > 1:
            raise self._clash(key, listed[key])
        return listed[key][0]

    def _unknown(self, name: str) -> UnknownName:
        """It may be the name in a file that cannot be read."""
        error = UnknownName(self.kind, name, self._listed())
        if nameless := self.nameless(name):
            error.args = (f"{error}. {nameless}",)
        unread = [stem for stem, origins in self._listed().items() if any(":" not in origin.where for origin in origins)]
        error.args = (". ".join([str(error), *filter(None, map(self.problem, unread))]),)
        return error

    def nameless(self, name: str) -> str | None:
        """What is missing where a file is called so and registers nothing."""
        for info in pkgutil.iter_modules(importlib.import_module(self.package).__path__):
            if info.name == plain(name) and not any(f"{self.package}.{info.name}:" in where for where in self._places()):
                base = self._base.partition(":")[2]
                return (
                    f"{self._folder}/{info.name} is there and names no {self.kind}: a class that derives from {base} and has "
                    f'`name = "{info.name}"` in its body is one'
                )
        return None

    def _places(self) -> list[str]:
        return [f"{origin.where}:" for origins in self._listed().values() for origin in origins]

    def _clash(self, name: str, origins: list[Origin]) -> BenchmarkError:
        kinds = "policies" if self.kind == "policy" else f"{self.kind}s"
        return BenchmarkError(f"two {kinds} are named '{name}': {' and '.join(origin.where for origin in origins)}")

    def _checked(self, cls: Any, name: str, where: str) -> type[T]:
        base, own = _load(self._base), getattr(cls, "name", "")
        derived = inspect.isclass(cls) and issubclass(cls, base)
        if not derived:
            raise BenchmarkError(f"{where} is registered as a {self.kind} but is not a subclass of {base.__name__}")
        if inspect.isabstract(cls):
            raise BenchmarkError(f"{where} does not implement {', '.join(sorted(cls.__abstractmethods__))}")
        if not own:
            raise BenchmarkError(
                f'{where} has no name: write `name = "my_{self.kind}"` into its body, which is what it is called by'
            )
        if not own.isidentifier():
            raise BenchmarkError(f"{where}: the name '{own}' must be made of letters, digits and underscores")
        if own != name:
            raise BenchmarkError(f"{where} is registered as '{name}' but its name is '{own}'")
        return cls

    def _listed(self) -> dict[str, list[Origin]]:
        if self._origins is None:
            origins: dict[str, list[Origin]] = {}
            for name, origin in [*self._in_files(), *self._in_plugins()]:
                others = origins.setdefault(plain(name), [])
                if origin.where not in [other.where for other in others]:
                    others.append(origin)
            # a file that cannot be read stands under its own name, unless that is a component's
            self._origins = {name: [o for o in rows if ":" in o.where] or rows[:1] for name, rows in origins.items()}
        return self._origins

    def _in_files(self) -> Iterator[tuple[str, Origin]]:
        try:
            package = importlib.import_module(self.package)
        except Exception as error:
            raise BenchmarkError(f"{self._folder}/__init__.py cannot be imported: {_one_line(error)}") from error
        for info in pkgutil.iter_modules(package.__path__):
            if info.name.startswith("_"):  # `_shared`: what several components need
                continue
            module, file = f"{self.package}.{info.name}", f"{info.name}{'/__init__' if info.ispkg else ''}.py"
            source = f"{self._folder}/{file}"
            try:
                names = self._names_in(module, Path(info.module_finder.path, file))  # type: ignore[union-attr]
            except (Exception, SystemExit):
                yield info.name, Origin(module, source, partial(importlib.import_module, module))
                continue
            for cls, name in names.items():
                yield name, Origin(f"{module}:{cls}", source, partial(_load, f"{module}:{cls}"))

    def _names_in(self, module: str, file: Path) -> dict[str, str]:
        """Class -> name. A module whose text leaves names open (computed, or of classes made elsewhere) is imported."""
        names = _names_in_text(file)
        literal = {cls: name for cls, name in names.items() if name is not None}
        if names and len(literal) == len(names):
            return literal
        try:
            return self._names_in_module(importlib.import_module(module))
        except (Exception, SystemExit):
            if literal:
                return literal
            raise

    def _names_in_module(self, module: ModuleType) -> dict[str, str]:
        base = _load(self._base)
        classes: dict[Any, str] = {}
        for attribute, cls in vars(module).items():
            own = inspect.isclass(cls) and f"{cls.__module__}.".startswith(f"{module.__name__}.")
            if own and issubclass(cls, base) and not inspect.isabstract(cls) and "name" in vars(cls):
                classes.setdefault(cls, attribute)
        return {attribute: cls.name for cls, attribute in classes.items()}

    def _in_plugins(self) -> Iterator[tuple[str, Origin]]:
        for point in entry_points(group=self.package):
            package = f" of {point.dist.name} {point.dist.version}" if point.dist else ""
            yield point.name, Origin(point.value, f"the entry point {point.name} = {point.value}{package}", point.load)


def _names_in_text(file: Path) -> dict[str, str | None]:
    """The classes at the top of a file that set `name`, with what they set it to; None if that has to be computed.

    In a dataclass `name` is a field.
    """
    names: dict[str, str | None] = {}
    for node in ast.parse(file.read_bytes()).body if file.is_file() else ():  # no text: an extension
        if not isinstance(node, ast.ClassDef) or not node.bases:
            continue
        if any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
            continue
        for statement in node.body:
            match statement:
                case (
                    ast.Assign(targets=[ast.Name(id="name")], value=value)
                    | ast.AnnAssign(target=ast.Name(id="name"), value=ast.expr() as value)
                ):
                    if not isinstance(value, ast.Constant):
                        names[node.name] = None
                    elif isinstance(value.value, str) and value.value:
                        names[node.name] = value.value
    return names


def _load(where: str) -> Any:
    module, _, cls = where.partition(":")
    return getattr(importlib.import_module(module), cls)


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


@cache
def methods() -> Registry[Method]:
    return Registry("method", "benchmark.methods", "benchmark.contracts.method:Method")


@cache
def policies() -> Registry[Policy]:
    return Registry("policy", "benchmark.policies", "benchmark.contracts.policy:Policy")


@cache
def envs() -> Registry[Environment]:
    return Registry("environment", "benchmark.envs", "benchmark.contracts.environment:Environment")
