"""Imports point one way: a room knows the rooms before it in the list, and components know no runner.

Read from the source of every module, imports inside functions included: what is imported late is still a dependency.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = [  # ARCHITECTURE.md says what each is for
    *("core", "contracts", "registry", "storage", "data", "models", "training", "simulation", "datasets"),
    *("stages", "planning", "launch", "results", "report", "conformance", "bench"),
    *("notebook", "api", "cli"),
]
COMPONENTS = {  # what a component may use of the benchmark
    "methods": {"core", "contracts", "data", "models"},
    "policies": {"core", "contracts", "data", "models"},
    "envs": {"core", "contracts", "data", "storage", "simulation", "datasets"},
}
PACKAGES = ("benchmark", *COMPONENTS)  # folders; links in the first lead to the others


def sources() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")) if path.resolve() == path]


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = ("benchmark", *parts) if parts[0] in COMPONENTS else parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports(path: Path) -> frozenset[str]:
    """Modules of ours that a file imports."""
    names: set[str] = set()
    for node in _running(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: imports are absolute"
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            names.update(name if _exists(name) else node.module for name in inside)
    return frozenset(name for name in names if name.split(".")[0] == "benchmark" and name != "benchmark")


def _running(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node but those under `if TYPE_CHECKING:`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        yield node
        yield from _running(node)


def _exists(module: str) -> bool:
    path = ROOT.joinpath(*module.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def room(module: str) -> str:
    return module.split(".")[1]


def test_every_module_lies_in_a_room() -> None:
    rooms = {room(module_of(path)) for path in sources() if module_of(path) != "benchmark"}
    assert rooms <= {*ROOMS, *COMPONENTS, "__main__"}
    assert "\n".join(ROOMS)  # and each room exists
    assert all((ROOT / "benchmark" / name).is_dir() or (ROOT / "benchmark" / f"{name}.py").is_file() for name in ROOMS)


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_knows_only_the_rooms_before_it(name: str) -> None:
    allowed = set(ROOMS[: ROOMS.index(name) + 1])
    wrong = [
        f"{module_of(path)} imports {target}"
        for path in sources()
        if module_of(path) != "benchmark" and room(module_of(path)) == name
        for target in sorted(imports(path))
        if room(target) not in allowed
    ]
    assert wrong == []


@pytest.mark.parametrize("package", COMPONENTS)
def test_components_know_neither_each_other_nor_the_runner(package: str) -> None:
    wrong = []
    for path in (path for path in sources() if module_of(path).startswith(f"benchmark.{package}")):
        own = module_of(path).split(".")[:3]  # `benchmark.envs.kitchen`: a component may be a package
        for target in sorted(imports(path)):
            parts = target.split(".")
            ours = parts[1] == package and (parts[:3] == own or parts[2:3] == ["_shared"])
            if not (ours or parts[1] in COMPONENTS[package]):
                wrong.append(f"{module_of(path)} imports {target}")
    assert wrong == []


def test_imports_have_no_circle() -> None:
    graph = {module_of(path): imports(path) for path in sources()}
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join([*path[path.index(module) :], module])
        if module in done:
            return
        for target in graph.get(module, ()):
            visit(target, (*path, module))
        done.add(module)

    for module in graph:
        visit(module, ())
