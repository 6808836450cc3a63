"""`list`, `doctor` and `weights` where a component's file cannot be imported: one line of each, and all the others as ever."""

from __future__ import annotations

import json
from typing import Any

import pytest

from benchmark import registry
from benchmark.cli.main import main
from benchmark.core.errors import BenchmarkError
from tests.toy import Toy

LINE = "methods/mine.py cannot be imported: ModuleNotFoundError: No module named 'nowhere'"


class Names:
    """A registry in which `mine` cannot be imported."""

    def __init__(self, real: Any, *names: str):
        self.real, self._names = real, [*names, "mine"]

    def names(self) -> list[str]:
        return sorted(self._names)

    def problem(self, name: str) -> str | None:
        return LINE if name == "mine" else None

    def get(self, name: str) -> Any:
        if name == "mine":
            raise BenchmarkError(LINE)
        return self.real.get(name)


@pytest.fixture
def _broken(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind, names in {"methods": ("byol", "imagenet"), "policies": ("knn",), "envs": ("kitchen",)}.items():
        stub = Names(getattr(registry, kind)(), *names)
        monkeypatch.setattr(registry, kind, lambda stub=stub: stub)


@pytest.mark.usefixtures("_broken")
@pytest.mark.parametrize(("what", "other"), [("methods", "byol"), ("policies", "knn"), ("envs", "kitchen")])
def test_list_shows_it_in_one_line(what: str, other: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", what]) == 0
    lines = capsys.readouterr().out.splitlines()
    (line,) = [line for line in lines if line.startswith("mine")]
    assert line.split(maxsplit=1)[1] == LINE
    assert any(line.startswith(other) for line in lines)
    assert main(["list", what, "--format", "json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["mine"]["missing"] == LINE
    assert rows["mine"]["source"] is None
    assert rows[other]["source"]
    assert list(rows["mine"]) == list(rows[other])


@pytest.mark.usefixtures("_broken")
def test_ablations_are_those_of_what_can_be_imported(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "ablations"]) == 0
    text = capsys.readouterr().out
    assert "byol:" in text
    assert "mine" not in text


@pytest.mark.usefixtures("_broken")
def test_doctor_shows_it_in_one_line_and_goes_on(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--home", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines.count(f"missing    mine: {LINE}") == 3, "one of each kind"
    assert "ok         byol" in lines
    assert "ok         knn" in lines


@pytest.mark.usefixtures("_broken")
def test_weights_of_the_others_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "list", "--format", "json"]) == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)] == ["imagenet"]


@pytest.mark.usefixtures("_broken")
def test_check_of_it_says_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "mine"]) == 2
    assert capsys.readouterr().err == f"error: {LINE}\n"


def test_nothing_that_is_in_the_repository_is_broken() -> None:
    for kind in (registry.methods(), registry.policies(), registry.envs()):
        assert not [name for name in kind.names() if kind.problem(name)]


def test_an_environment_that_cannot_say_what_it_is_hurts_its_own_line(capsys: pytest.CaptureFixture[str]) -> None:
    class Gone(Toy):
        name = "gone"

        @classmethod
        def spec(cls, config: Any) -> Any:
            raise LookupError("no such\nenvironment")

    registry.envs().add(Gone)
    try:
        assert main(["list", "envs", "--format", "json"]) == 0
    finally:
        registry.envs().remove("gone")
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["gone"]["missing"] == "LookupError: no such environment"
    assert rows["pusht"]["views"] == "top"
