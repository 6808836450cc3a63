"""Names without imports, and broken files that hurt nobody else."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmark import registry
from benchmark.core.errors import BenchmarkError, UnknownName
from benchmark.planning.recipes import make_plan
from benchmark.planning.request import Request
from benchmark.registry import Registry

BASE = "tests.test_registry:Animal"
GOOD = "from tests.test_registry import Animal\nclass {0}(Animal):\n    name = '{1}'\n    def call(self): return 1\n"
number = itertools.count()


class Animal:
    name: str

    def call(self) -> int:
        raise NotImplementedError


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Registry[Any]]]:
    """A package of components from texts, and its registry."""
    monkeypatch.syspath_prepend(str(tmp_path))
    packages: list[str] = []

    def make(**files: str) -> Registry[Any]:
        package = f"zoo{next(number)}"
        packages.append(package)
        for name, text in {"__init__": "", **files}.items():
            path = tmp_path / package / f"{name.replace('__in__', '/')}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return Registry("animal", package, BASE)

    yield make
    for name in [name for name in sys.modules if name.split(".")[0] in packages]:
        del sys.modules[name]


def _imported(known: Registry[Any]) -> set[str]:
    return {name.partition(".")[2] for name in sys.modules if name.startswith(f"{known.package}.")}


def test_names_are_read_and_a_module_is_imported_when_its_component_is_asked_for(zoo: Callable[..., Registry[Any]]) -> None:
    two = "import abc\n" + GOOD.format("Cat", "cat") + GOOD.format("Lion", "big_cat").replace("name =", "name: str =")
    known = zoo(cats=two, dog=GOOD.format("Dog", "dog"), _shared=GOOD.format("Secret", "secret"))
    assert known.names() == ["big_cat", "cat", "dog"]
    assert known.where("big-cat") == f"{known.package}.cats:Lion"
    assert _imported(known) == set()
    assert known.get("big-cat").__name__ == "Lion"
    assert known.get("cat").name == "cat"
    assert _imported(known) == {"cats"}
    assert known.problem("dog") is None


def test_bases_dataclasses_and_helpers_are_no_components(zoo: Callable[..., Registry[Any]]) -> None:
    text = "from dataclasses import dataclass\nfrom tests.test_registry import Animal\n@dataclass\nclass Config(dict):\n"
    text += "    name: str = 'config'\nclass Base(Animal):\n    legs = 4\nclass Empty(Animal):\n    name = ''\n"
    text += "class Part:\n    name = 'part'\n" + GOOD.format("Dog", "dog")
    assert zoo(dog=text).names() == ["dog"]


def test_what_the_text_does_not_tell_is_imported(zoo: Callable[..., Registry[Any]]) -> None:
    computed = "from tests.test_registry import Animal\nclass Dog(Animal):\n    name = 'd' + 'og'\n"
    made = "from tests.test_registry import Animal\nbody = {'name': 'cat', '__module__': __name__}\n"
    made += "Cat = Kitty = type('Cat', (Animal,), body)\n"
    parts = {"fish__in____init__": "from .body import Fish\n", "fish__in__body": GOOD.format("Fish", "fish")}
    known = zoo(dog=computed, cat=made, cow=GOOD.format("Cow", "cow"), tools="def tool(): pass\n", **parts)
    assert known.names() == ["cat", "cow", "dog", "fish"]
    assert _imported(known) == {"dog", "cat", "fish", "fish.body", "tools"}
    assert [known.problem(name) for name in known.names()] == [None] * 4
    assert known.get("fish").__name__ == "Fish"


@pytest.mark.parametrize(
    ("text", "name", "problem"),
    [
        (
            "import no_such_package\n" + GOOD.format("Mine", "my_idea"),
            "my_idea",
            "ModuleNotFoundError: No module named 'no_such_pack",
        ),
        ("raise SystemExit(3)\n" + GOOD.format("Mine", "my_idea"), "my_idea", "SystemExit: 3"),
        ("raise ValueError('two\\nlines')\n" + GOOD.format("Mine", "my_idea"), "my_idea", "ValueError: two lines"),
        (GOOD.format("Mine", "my_idea") + "class Other(:\n", "mine", "SyntaxError: invalid syntax (mine.py, line 5)"),
        ("raise ImportError('no')\nclass Mine(Animal):\n    name = 'my' + '_idea'\n", "mine", "ImportError: no"),
        (
            "raise ImportError('no')\n" + GOOD.format("Mine", "my_idea") + "class Other(Animal):\n    name = 'o' + 'ther'\n",
            "my_idea",
            "ImportError: no",
        ),
    ],
)
def test_a_broken_file_hurts_its_own_row_only(
    text: str, name: str, problem: str, zoo: Callable[..., Registry[Any]], tmp_path: Path
) -> None:
    known = zoo(mine=text, dog=GOOD.format("Dog", "dog"))
    assert known.names() == sorted(["dog", name])
    assert known.get("dog").name == "dog"
    with pytest.raises(BenchmarkError) as caught:
        known.get(name)
    assert str(caught.value).startswith(f"{known.package}/mine.py cannot be imported: {problem}")
    assert known.problem(name) == str(caught.value)
    assert known.where(name).startswith(f"{known.package}.mine")


def test_a_name_in_a_file_that_cannot_be_read_is_not_just_unknown(zoo: Callable[..., Registry[Any]]) -> None:
    known = zoo(mine="class Mine(:\n    name = 'my_idea'\n", dog=GOOD.format("Dog", "dog"))
    with pytest.raises(UnknownName, match=r"unknown animal 'my_idea'.*mine\.py cannot be imported: SyntaxError"):
        known.get("my_idea")


def test_a_file_that_cannot_be_read_takes_nobodys_name(zoo: Callable[..., Registry[Any]]) -> None:
    known = zoo(dog="class Dog(:\n", wolf=GOOD.format("Dog", "dog"))
    assert known.names() == ["dog"]
    assert known.problem("dog") is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("class Dog(dict):\n    name = 'dog'\n", "is registered as a animal but is not a subclass of Animal"),
        (GOOD.format("Dog", "dog") + "Dog.name = 'cat'\n", "is registered as 'dog' but its name is 'cat'"),
        (
            "import abc\n"
            + GOOD.format("Dog", "dog").replace(
                "Animal):", "Animal, abc.ABC):\n    @abc.abstractmethod\n    def eat(self): ...\n"
            ),
            "does not implement eat",
        ),
    ],
)
def test_what_is_no_component_says_so_when_asked_for(text: str, problem: str, zoo: Callable[..., Registry[Any]]) -> None:
    known = zoo(dog=text)
    assert known.problem("dog") == f"{known.package}.dog:Dog {problem}"


def test_a_name_must_be_one_that_can_be_typed(zoo: Callable[..., Registry[Any]]) -> None:
    known = zoo(dog=GOOD.format("Dog", "my-dog"))
    assert "must be made of letters, digits and underscores" in str(known.problem("my-dog"))


def test_two_components_of_one_name_are_both_named(zoo: Callable[..., Registry[Any]]) -> None:
    known = zoo(a=GOOD.format("Dog", "dog"), b=GOOD.format("Wolf", "dog"), cat=GOOD.format("Cat", "cat"))
    assert known.names() == ["cat", "dog"]
    both = f"two animals are named 'dog': {known.package}.a:Dog and {known.package}.b:Wolf"
    for ask in (known.get, known.where):
        with pytest.raises(BenchmarkError, match=both):
            ask("dog")
    assert known.problem("dog") == both
    assert known.get("cat").name == "cat"


def _plug_in(root: Path, package: str, points: str) -> None:
    about = root / "rows_lib-1.2.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: rows-lib\nVersion: 1.2\n")
    (about / "entry_points.txt").write_text(f"[{package}]\n{points}")


def test_plug_ins_are_named_without_being_loaded_and_fail_alone(zoo: Callable[..., Registry[Any]], tmp_path: Path) -> None:
    known = zoo(dog=GOOD.format("Dog", "dog"))
    (tmp_path / "rows_good.py").write_text(GOOD.format("Owl", "owl"))
    (tmp_path / "rows_bad.py").write_text("import no_such_package\n")
    points = "owl = rows_good:Owl\nbat = rows_bad:Bat\nhawk = rows_good:Owl\n"
    _plug_in(tmp_path, known.package, points + f"dog = {known.package}.dog:Dog\n")
    assert known.names() == ["bat", "dog", "hawk", "owl"]
    assert not {"rows_good", "rows_bad"} & sys.modules.keys()
    assert known.get("owl").__name__ == "Owl"
    assert known.where("bat") == "rows_bad:Bat"
    why = "cannot be imported: ModuleNotFoundError: No module named 'no_such_package'"
    assert known.problem("bat") == f"the entry point bat = rows_bad:Bat of rows-lib 1.2 {why}"
    assert known.problem("hawk") == "rows_good:Owl is registered as 'hawk' but its name is 'owl'"
    assert known.problem("dog") is None
    del sys.modules["rows_good"]


def test_classes_by_hand(zoo: Callable[..., Registry[Any]]) -> None:
    known = zoo(dog=GOOD.format("Dog", "dog"))

    class Cow(Animal):
        name = "cow"

    first = Cow
    known.add(Cow)

    class Cow(Animal):  # type: ignore[no-redef]
        """A cell of a notebook that was run again."""

        name = "cow"

    known.add(Cow)
    assert known.get("cow") is Cow is not first
    assert known.names() == ["cow", "dog"]
    known.remove("cow")
    with pytest.raises(UnknownName):
        known.get("cow")


@pytest.fixture
def _broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A file in methods/ that cannot be imported."""
    from benchmark import methods

    (tmp_path / "my_broken_idea.py").write_text("import no_such_package\n")
    monkeypatch.setattr(methods, "__path__", [*methods.__path__, str(tmp_path)])
    registry.methods.cache_clear()
    yield
    registry.methods.cache_clear()


@pytest.mark.usefixtures("_broken")
def test_one_broken_method_stops_neither_plans_nor_lists(capsys: pytest.CaptureFixture[str]) -> None:
    from benchmark.cli.main import main

    problem = "methods/my_broken_idea.py cannot be imported: ModuleNotFoundError: No module named 'no_such_package'"
    assert registry.methods().problem("my_broken_idea") == problem
    assert make_plan(Request(methods=["byol"], preset="smoke")).cells[0].stages
    assert main(["weights", "list"]) == 0
    assert "imagenet" in capsys.readouterr().out
    assert main(["list", "methods", "--format", "json"]) == 0
    assert problem in capsys.readouterr().out
    assert main(["plan", "--methods", "my_broken_idea"]) == 2
    assert problem in capsys.readouterr().err


def test_names_of_all_components_import_none_of_them() -> None:
    code = """
import sys
from benchmark import registry
names = [r.names() for r in (registry.methods(), registry.policies(), registry.envs())]
assert all(names), names
unwanted = ("benchmark.methods.", "benchmark.policies.", "benchmark.envs.", "torch", "benchmark.contracts")
print([m for m in sys.modules if m.startswith(unwanted)])
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
