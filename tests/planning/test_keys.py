"""Keys change with what computes, and with nothing else."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmark.core import provenance
from benchmark.core.errors import BenchmarkError
from benchmark.planning import keys
from benchmark.planning.keys import Code, code_behind, modules_behind, stage_key
from benchmark.storage.files import key_of

METHOD = "mine.method"
FILES = {
    "mine/__init__.py": "from . import early\n",
    "mine/early.py": "START = 1\n",
    "mine/method.py": '''"""A method."""
from __future__ import annotations
import json
from typing import TYPE_CHECKING
import numpy as np
from .helper import SCALE
from .parts import *
from theirs.deep.loss import contrast
if TYPE_CHECKING:
    from mine.only_types import Shape

def build(size):
    """Build it."""
    from . import late
    return late.build(size * SCALE)
''',
    "mine/helper.py": "from .cycle import back\nSCALE = 1\n",
    "mine/cycle.py": "import mine.helper\ndef back():\n    return mine.helper.SCALE\n",
    "mine/late.py": "import importlib\nplugged = importlib.import_module('.plugged', __package__)\n",
    "mine/plugged.py": "PLUGGED = 1\n",
    "mine/only_types.py": "Shape = tuple\n",
    "mine/unused.py": "UNUSED = 1\n",
    "mine/parts/__init__.py": "__all__ = ['part']\n",
    "mine/parts/part.py": "PART = 1\n",
    "theirs/__init__.py": "FLAG = 1\n",
    "theirs/deep/__init__.py": "DEEP = 1\n",
    "theirs/deep/loss.py": "def contrast(x):\n    # the square\n    return x ** 2\n",
}
Edit = Callable[[str, str], None]


@pytest.fixture
def edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Edit]:
    """Two packages of a user's on the path; edits get stamps of their own, however fast they follow each other."""
    monkeypatch.syspath_prepend(str(tmp_path))
    clock = iter(range(1, 1000))

    def write(name: str, text: str) -> None:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        for touched in (path, path.parent):
            os.utime(touched, (0, 1_700_000_000 + next(clock)))

    for name, text in FILES.items():
        write(name, text)
    _forget()
    yield write
    _forget()


def _forget() -> None:
    for function in (keys._owners, keys._distributions, keys._sharing, provenance.plugins):
        function.cache_clear()


MINE = ("cycle", "early", "method", "helper", "late", "parts", "parts.part", "plugged")
RUNNING = ["mine", *(f"mine.{name}" for name in MINE), "theirs", "theirs.deep", "theirs.deep.loss"]


@pytest.mark.usefixtures("edit")
def test_what_is_followed() -> None:
    """Relative imports, those in functions, by a literal and by a star, packages on the way, around a circle."""
    assert modules_behind(METHOD) == set(RUNNING)
    assert not set(RUNNING) & sys.modules.keys()  # read, not imported


@pytest.mark.parametrize("module", RUNNING)
def test_a_line_of_any_module_that_runs_changes_the_digest(module: str, edit: Edit) -> None:
    before = code_behind(METHOD)
    path = module.replace(".", "/")
    name = f"{path}.py" if f"{path}.py" in FILES else f"{path}/__init__.py"
    edit(name, FILES[name] + "MORE = 2\n")
    assert code_behind(METHOD).digest != before.digest


@pytest.mark.parametrize("name", ["mine/only_types.py", "mine/unused.py"])
def test_what_does_not_run_does_not_count(name: str, edit: Edit) -> None:
    before = code_behind(METHOD)
    edit(name, "MORE = 2\n")
    assert code_behind(METHOD) == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""A method."""', '"""Another text."""'),
        ('    """Build it."""\n', ""),
        ("import json\n", "import json  # of the standard library\n"),
        ("size * SCALE", "(size\n        * SCALE)"),
        ("    from mine.only_types import Shape\n", "    from mine.unused import Shape\n"),
    ],
)
def test_words_and_layout_do_not_count(old: str, new: str, edit: Edit) -> None:
    before = code_behind(METHOD)
    edit("mine/method.py", FILES["mine/method.py"].replace(old, new))
    assert code_behind(METHOD) == before


def test_the_same_number_written_otherwise_is_another_code(edit: Edit) -> None:
    before = code_behind(METHOD)
    edit("theirs/deep/loss.py", FILES["theirs/deep/loss.py"].replace("2", "3"))
    assert code_behind(METHOD).digest != before.digest


def test_a_module_that_appears_under_an_imported_name_is_followed(edit: Edit) -> None:
    edit("mine/early.py", "try:\n    from mine import fast\nexcept ImportError:\n    fast = None\n")
    before = code_behind(METHOD)
    edit("mine/fast.py", "FAST = 1\n")
    assert code_behind(METHOD).digest != before.digest
    assert "mine.fast" in modules_behind(METHOD)


def test_a_dropped_import_is_dropped(edit: Edit) -> None:
    edit("mine/method.py", FILES["mine/method.py"].replace("from theirs.deep.loss import contrast\n", ""))
    assert not {"theirs", "theirs.deep", "theirs.deep.loss"} & modules_behind(METHOD)


def test_dots_that_lead_out_of_a_package_and_text_that_is_no_python_stop_nothing(edit: Edit) -> None:
    edit("mine/helper.py", "from ...far.away import FAR\n")
    edit("mine/late.py", "this is no python\n")
    before = code_behind(METHOD)
    edit("mine/late.py", "this is no python either\n")
    assert code_behind(METHOD).digest != before.digest


def _install(root: Path, name: str, version: str, module: str, entry_points: str = "") -> None:
    """As pip leaves a wheel."""
    about = root / f"{name.replace('-', '_')}-{version}.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (about / "top_level.txt").write_text(module.partition(".")[0])
    (about / "entry_points.txt").write_text(entry_points)
    file = root / f"{module.replace('.', '/')}.py"
    file.parent.mkdir(exist_ok=True)
    file.write_text("WEIGHT = 1\n")
    (about / "RECORD").write_text(f"{file.relative_to(root).as_posix()},,\n")


def test_of_an_installed_distribution_the_version_counts_and_not_the_text(
    edit: Edit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site-packages"
    _install(site, "far-lib", "1.2+cu130", "farlib")
    monkeypatch.syspath_prepend(str(site))
    edit("mine/helper.py", "import farlib\nSCALE = 1\n")
    before = code_behind(METHOD)
    assert before.libraries == {"far-lib": "1.2", "numpy": importlib.metadata.version("numpy")}
    assert "farlib" not in modules_behind(METHOD)
    edit("site-packages/farlib.py", "WEIGHT = 2\n")
    assert code_behind(METHOD) == before
    keys._closures.clear()
    monkeypatch.setattr(keys, "_version", lambda name: "9")
    after = code_behind(METHOD)
    assert after.digest == before.digest
    assert after.libraries == {"far-lib": "9", "numpy": "9"}
    assert stage_key("fit", {}, {}, after) != stage_key("fit", {}, {}, before)


def test_of_distributions_that_share_a_namespace_only_the_imported_one_counts(
    edit: Edit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site-packages"
    _install(site, "shared-a", "1", "shared_space.a")
    _install(site, "shared-b", "1", "shared_space.b")
    monkeypatch.syspath_prepend(str(site))
    edit("mine/helper.py", "from shared_space.a import WEIGHT\n")
    assert {"shared-a", "numpy"} == code_behind(METHOD).libraries.keys()


def test_what_is_installed_is_looked_up_once_and_again_after_a_change(
    edit: Edit, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCHMARK_CODE_CACHE", str(tmp_path_factory.mktemp("notes")))
    site = tmp_path / "site-packages"
    _install(site, "first-lib", "1", "firstlib")
    monkeypatch.syspath_prepend(str(site))
    assert keys._distributions()["firstlib"] == ("first-lib",)
    with monkeypatch.context() as patch:
        patch.setattr(keys, "packages_distributions", dict)  # finds nothing, and is not asked
        keys._distributions.cache_clear()
        assert keys._distributions()["firstlib"] == ("first-lib",)
    _install(site, "second-lib", "1", "secondlib")
    os.utime(site, (0, 1))
    keys._distributions.cache_clear()
    assert keys._distributions()["secondlib"] == ("second-lib",)


def test_a_plug_in_is_read_wherever_it_is_installed(edit: Edit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site-packages"
    _install(site, "rows-lib", "1.2", "rowslib", "[benchmark.methods]\nrow = rowslib:Row\n")
    monkeypatch.syspath_prepend(str(site))
    before = code_behind("rowslib")
    assert modules_behind("rowslib") == {"rowslib"}
    edit("site-packages/rowslib.py", "WEIGHT = 2\n")
    assert code_behind("rowslib").digest != before.digest


def test_a_project_that_is_developed_where_it_lies_is_read(edit: Edit, tmp_path: Path) -> None:
    """The folder then holds an egg-info beside the code."""
    about = tmp_path / "mine.egg-info"
    about.mkdir()
    (about / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1\n")
    (about / "top_level.txt").write_text("mine")
    assert importlib.metadata.packages_distributions()["mine"] == ["mine"]
    assert set(RUNNING) == modules_behind(METHOD)


def test_an_extension_counts_as_its_file(edit: Edit, tmp_path: Path) -> None:
    from importlib.machinery import EXTENSION_SUFFIXES

    extension = tmp_path / "mine" / f"plugged{EXTENSION_SUFFIXES[0]}"
    (tmp_path / "mine" / "plugged.py").unlink()
    extension.write_bytes(b"\x7fELF\0 1")
    os.utime(tmp_path / "mine", (0, 1))
    before = code_behind(METHOD)
    assert "mine.plugged" in modules_behind(METHOD)
    extension.write_bytes(b"\x7fELF\0 12")
    assert code_behind(METHOD).digest != before.digest


def test_the_code_of_a_notebook_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "__main__", types.ModuleType("__main__"))
    with pytest.raises(BenchmarkError, match="put it into a file"):
        code_behind("__main__")
    with pytest.raises(BenchmarkError, match=r"no_such\.module cannot be read"):
        code_behind("no_such.module")


def test_a_script_and_the_modules_next_to_it_are_read(tmp_path: Path) -> None:
    (tmp_path / "beside_script.py").write_text("SCALE = 1\n")
    script = "from benchmark.planning.keys import modules_behind\nimport beside_script\nprint(modules_behind('__main__'))\n"
    (tmp_path / "script.py").write_text(script)
    command = [sys.executable, str(tmp_path / "script.py")]
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    printed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert {"__main__", "beside_script"} <= set(eval(printed))


def test_modules_of_ours() -> None:
    behind = modules_behind("benchmark.stages.pretrain", "benchmark.methods.byol")
    assert {
        "benchmark.methods",
        "benchmark.methods.byol",
        "benchmark.methods._shared.two_view",
        "benchmark.training.loop",
        "benchmark.contracts",
    } <= behind
    inert = ("benchmark.storage", "benchmark.launch", "benchmark.core.errors", "benchmark.core.progress", "benchmark.registry")
    assert not [
        name for name in behind if name.startswith((*inert, "benchmark.planning", "benchmark.report", "benchmark.envs"))
    ]
    assert {"torch", "numpy"} <= code_behind("benchmark.stages.pretrain", "benchmark.methods.byol").libraries.keys()


def test_a_key_holds_kind_params_inputs_code_and_libraries() -> None:
    code = Code("d", {"torch": "2.11.0"})
    key = stage_key("fit", {"seed": 1}, {"demos": "a"}, code)
    parts = {"digest": "d", "libraries": {"torch": "2.11.0"}}
    assert key == key_of({"kind": "fit", "params": {"seed": 1}, "inputs": {"demos": "a"}, "code": parts})
    others = [
        stage_key("probe", {"seed": 1}, {"demos": "a"}, code),
        stage_key("fit", {"seed": 2}, {"demos": "a"}, code),
        stage_key("fit", {"seed": 1}, {"demos": "b"}, code),
        stage_key("fit", {"seed": 1}, {"encoder": "a"}, code),
        stage_key("fit", {"seed": 1}, {"demos": "a"}, Code("e", code.libraries)),
        stage_key("fit", {"seed": 1}, {"demos": "a"}, Code("d", {"torch": "2.12.0"})),
    ]
    assert len({key, *others}) == 7
