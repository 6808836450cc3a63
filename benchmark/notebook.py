"""A class from a notebook or a prompt as a file: what runs is what the key says, and what can be read later.

Cells are found by the text that Python keeps of them (`linecache`). The file holds the class and what its text names, as their
last cell wrote it, and every import. Values are not copied: a name that some cell computed is a line of the file again.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import linecache
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmark.core.errors import BenchmarkError
from benchmark.storage.files import write_text

PREFIX = "notebook_"  # of the modules that such files are


def without_file() -> bool:
    return not getattr(sys.modules["__main__"], "__file__", None)


def save(cls: type[Any], folder: Path) -> type[Any]:
    """Write the text behind a class, import it, and return the class of the file."""
    text = source_of(cls.__name__, _cells())
    module = f"{PREFIX}{cls.__name__.lower()}_{hashlib.sha256(text.encode()).hexdigest()[:10]}"
    path = folder.absolute() / f"{module}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)
    spec = importlib.util.spec_from_file_location(module, path)
    assert spec is not None
    assert spec.loader is not None
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))  # processes of simulators get this path, and import from it
    sys.modules[module] = loaded = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(loaded)
    except Exception as error:
        del sys.modules[module]
        reason = f"{type(error).__name__}: {error}"
        raise BenchmarkError(f"{path}, written from the cells, does not run by itself: {reason}") from error
    return getattr(loaded, cls.__name__)


def source_of(name: str, cells: list[str]) -> str:
    """A file with the definition of a name, what that needs of the cells, and all imports."""
    imports: dict[str, None] = {}
    definitions: dict[str, list[ast.stmt]] = {}  # the last of each name and what changed it then, where the first one stood
    for cell in cells:
        for statement in ast.parse(cell).body:
            if isinstance(statement, ast.Import | ast.ImportFrom):
                future = isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
                imports = {**({ast.unparse(statement): None} if future else {}), **imports, ast.unparse(statement): None}
            for defined, anew in _defined(statement):
                definitions[defined] = [*([] if anew else definitions.get(defined, [])), statement]
    if name not in definitions:
        raise BenchmarkError(f"the text of the class {name} is not known to Python: put it into a file, e.g. methods/mine.py")
    needed: set[int] = set()
    todo = [name]
    while todo:
        for statement in definitions[todo.pop()]:
            if id(statement) not in needed:
                needed.add(id(statement))
                used = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
                todo += sorted(used & definitions.keys())
    statements = dict.fromkeys(statement for each in definitions.values() for statement in each)
    body = [ast.unparse(statement) for statement in statements if id(statement) in needed]
    return "\n".join(imports) + "\n\n\n" + "\n\n\n".join(body) + "\n"


def _defined(statement: ast.stmt) -> list[tuple[str, bool]]:
    """The names that a statement gives a meaning to, and whether it is a new one. What loops and blocks do is not copied: a run
    may be among it."""
    if isinstance(statement, ast.ClassDef | ast.FunctionDef):
        statement.decorator_list = [d for d in statement.decorator_list if "register_" not in ast.unparse(d)]
        return [(statement.name, True)]
    if not isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        return []
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    names = [found for target in targets for found in _named(target)]
    return [(name, anew and not isinstance(statement, ast.AugAssign)) for name, anew in names]


def _named(target: ast.expr) -> Iterator[tuple[str, bool]]:
    """`a, b` are two new names; `a.b` and `a[0]` change one."""
    if isinstance(target, ast.Tuple | ast.List):
        for each in target.elts:
            yield from _named(each)
        return
    anew = isinstance(target, ast.Name | ast.Starred)
    while isinstance(target, ast.Attribute | ast.Subscript | ast.Starred):
        target = target.value
    if isinstance(target, ast.Name):
        yield target.id, anew


def _cells() -> list[str]:
    """The cells that were run, in their order. What is no Python (a magic of a notebook) has no definitions."""
    texts = []
    for file, entry in list(linecache.cache.items()):
        if len(entry) == 4 and (file.startswith("<") or "ipykernel" in file):
            text = "".join(line for line in entry[2] if not line.lstrip().startswith(("%", "!")))
            try:
                ast.parse(text)
            except SyntaxError:
                continue
            texts.append(text)
    return texts
