"""The version of the code behind an artifact: a hash of the modules that computed it, followed through their imports.

Comments, docstrings and formatting do not count, so documentation never invalidates results, and nobody has to remember to
raise a version number. Modules that cannot change a number (messages, the store, the launcher) are left out.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from benchmark.storage.files import key_of

FIRST_PARTY = ("benchmark", "methods", "policies", "envs")
INERT = (
    "benchmark.core.errors",
    "benchmark.core.progress",
    "benchmark.registry",
    "benchmark.storage.artifacts",
    "benchmark.storage.files",
    "benchmark.storage.claims",
    "benchmark.storage.manifests",
    "benchmark.stages.base",
    "benchmark.planning.keys",
)


def fingerprint(*modules: str) -> str:
    """Hash of the given modules and everything of ours that they import."""
    digest = hashlib.sha256()
    for module in sorted(modules_behind(*modules)):
        digest.update(f"{module}:{_read(module)[0]}\n".encode())
    return digest.hexdigest()[:16]


def modules_behind(*modules: str) -> set[str]:
    """The given modules and everything of ours that they import and that can change a number."""
    closure: set[str] = set()
    todo = list(modules)
    while todo:
        module = todo.pop()
        if module not in closure and module not in INERT:
            closure.add(module)
            todo.extend(_read(module)[1])
    return closure


@cache
def _read(module: str) -> tuple[str, frozenset[str]]:
    """Hash of one module's code and the first-party modules it imports anywhere, also inside functions."""
    path = getattr(sys.modules.get(module), "__file__", None) or getattr(importlib.util.find_spec(module), "origin", None)
    if path is None:
        return "", frozenset()
    tree = ast.parse(Path(path).read_text())
    imports: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            imports.add(node.module)
            imports.update(f"{node.module}.{alias.name}" for alias in node.names)
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and ast.get_docstring(node) is not None
        ):
            node.body = node.body[1:]
    roots = (*FIRST_PARTY, module.split(".")[0])
    ours = {name for name in imports if name.split(".")[0] in roots and name != module and _is_module(name)}
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest(), frozenset(ours)


@cache
def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


@dataclass(frozen=True)
class Code:
    digest: str
    libraries: Mapping[str, str]


def code_behind(*modules: str) -> Code:
    return Code(fingerprint(*modules), {})


def stage_key(kind: str, params: Mapping[str, Any], inputs: Mapping[str, str], code: Code) -> str:
    return key_of({"kind": kind, "params": params, "inputs": inputs, "code": code.digest, "libraries": code.libraries})
