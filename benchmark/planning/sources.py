"""What the text of one module says: a digest of all of it that runs, and what it may import.

A hundred modules take a second to parse, so what was found is kept in ~/.cache/encoder-benchmark/code (BENCHMARK_CODE_CACHE),
under the hash of the text, of this file and of the version of Python, and sealed: whatever is damaged there is read
again. Other things that take a while to find are kept in the same way (`noted`).
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib.util import resolve_name
from pathlib import Path
from typing import Any, TypeVar

from benchmark.core.errors import BenchmarkError
from benchmark.core.typed import from_json, to_json
from benchmark.storage.processes import token

T = TypeVar("T")

READER = f"{hashlib.sha256(Path(__file__).read_bytes()).hexdigest()} {sys.version_info[:2]}"


@dataclass(frozen=True)
class Source:
    """What one file says."""

    digest: str
    imports: tuple[str, ...]  # absolute names that may be modules; `package.*` for a star
    exports: tuple[str, ...]  # `__all__`, which a star imports


def read(data: bytes, package: str) -> Source:
    """Of a module whose relative imports begin at `package`."""
    return noted(Source, f"{READER} {package} ".encode() + data, partial(_parsed, data, package))


def noted(kind: type[T], about: bytes, find: Callable[[], T]) -> T:
    """What `find` finds, kept under the hash of all that it looks at."""
    path = None
    with suppress(OSError, RuntimeError):  # nobody's home
        folder = Path(os.environ.get("BENCHMARK_CODE_CACHE") or "~/.cache/encoder-benchmark/code").expanduser()
        path = folder / hashlib.sha256(about).hexdigest()
        with suppress(FileNotFoundError, ValueError, BenchmarkError):
            seal, _, note = path.read_text().partition(" ")
            if seal == seal_of(note):
                return from_json(kind, json.loads(note))
    found = find()
    if path is not None:
        with suppress(OSError):  # a full disk, a folder of someone else's
            note = json.dumps(to_json(found))
            _keep(path, f"{seal_of(note)} {note}")
    return found


def seal_of(note: str) -> str:
    return hashlib.sha256(note.encode()).hexdigest()


def _keep(path: Path, text: str) -> None:
    """Not flushed: what a crash leaves has no seal, and the module is read again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{token()}")
    try:
        temporary.write_text(text)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _parsed(data: bytes, package: str) -> Source:
    """What is no Python (an extension) is hashed as it is."""
    try:
        tree = _Running().visit(ast.parse(data))
    except (SyntaxError, ValueError):
        return Source(hashlib.sha256(data).hexdigest(), (), ())
    importing = (node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom | ast.Call))
    imports = {name for node in importing for name in _imports(node, package)}
    exports = {
        constant.value
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign) and "__all__" in _targets(node)
        for constant in ast.walk(node)
        if isinstance(constant, ast.Constant) and isinstance(constant.value, str)
    }
    return Source(hashlib.sha256(_canonical(tree).encode()).hexdigest(), tuple(sorted(imports)), tuple(sorted(exports)))


class _Running(ast.NodeTransformer):
    """Drops what never runs: docstrings and other strings that stand alone, and what only type checkers read."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return None
        return self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        test = node.test
        if isinstance(test, ast.Attribute) and isinstance(test.value, ast.Name) and test.value.id == "typing":
            name = test.attr
        else:
            name = test.id if isinstance(test, ast.Name) else ""
        return node.orelse if name == "TYPE_CHECKING" else node


def _imports(node: ast.AST, package: str) -> Iterator[str]:
    """The absolute names that a statement, or a call with a literal, may import."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = _absolute("." * node.level + (node.module or ""), package)
        yield from (name for alias in node.names if base for name in (base, f"{base}.{alias.name}"))
    elif isinstance(node, ast.Call) and node.args and isinstance(first := node.args[0], ast.Constant):
        function = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if function in ("import_module", "__import__") and isinstance(first.value, str):
            yield from filter(None, [_absolute(first.value, package)])


def _absolute(name: str, package: str) -> str:
    """Nothing where dots lead out of the package: such an import fails when it runs, too."""
    try:
        return resolve_name(name, package)
    except ImportError:
        return ""


def _targets(node: ast.Assign | ast.AnnAssign | ast.AugAssign) -> set[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _canonical(node: Any) -> str:
    """A syntax tree as text, the same in every version of Python: `ast.dump` began in 3.13 to leave out empty fields."""
    if isinstance(node, ast.AST):
        fields = [f"{name}={_canonical(value)}" for name, value in ast.iter_fields(node) if name != "kind" and value != []]
        return f"{type(node).__name__}({','.join(fields)})"
    if isinstance(node, list):
        return f"[{','.join([_canonical(value) for value in node])}]"
    return repr(node)
