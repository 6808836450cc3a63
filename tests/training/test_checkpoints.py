"""A checkpoint that was damaged is told, set aside, and gone back from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import save

from benchmark.contracts.method import MethodConfig
from tests.training.test_loop import Model, run

DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "flipped": lambda data: data[:-200] + bytes([data[-200] ^ 1]) + data[-199:],
    "cut": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "zeros": lambda data: bytes(len(data)),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    model, _ = run(tmp_path_factory.mktemp("whole"), MethodConfig())
    return save(model.state_dict())


@pytest.mark.parametrize("kind", [*DAMAGES, "missing"])
@pytest.mark.parametrize("suffix", ["safetensors", "json"])
def test_training_goes_back_to_the_last_good_one(
    tmp_path: Path, whole: bytes, capsys: pytest.CaptureFixture[str], suffix: str, kind: str
) -> None:
    run(tmp_path, MethodConfig(), stop=14)
    assert {path.name for path in tmp_path.glob("step*.json")} == {"step12.json", "step8.json"}
    last = tmp_path / f"step12.{suffix}"
    if kind == "missing":
        last.unlink()
    else:
        last.write_bytes(DAMAGES[kind](last.read_bytes()))
    steps: list[int] = []

    class Counting(Model):
        def after_step(self, step: int, steps_in_all: int) -> None:
            steps.append(step)
            super().after_step(step, steps_in_all)

    model, _ = run(tmp_path, MethodConfig(), model=Counting())
    assert steps == list(range(8, 20))
    assert save(model.state_dict()) == whole
    if (suffix, kind) != ("json", "missing"):  # weights whose other half was never written
        assert capsys.readouterr().err.count(f"step12.{suffix}") == 1
        assert not list(tmp_path.glob("step12.json"))


def test_without_a_good_one_training_starts_anew(tmp_path: Path, whole: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path, MethodConfig(), stop=14)
    for path in tmp_path.glob("step*.json"):
        path.write_bytes(b"")
    model, _ = run(tmp_path, MethodConfig())
    assert save(model.state_dict()) == whole
    assert capsys.readouterr().err.count("damaged checkpoint") == 2


def test_a_training_that_was_stopped_after_its_last_step_has_all_that_it_made(tmp_path: Path) -> None:
    """A fit that is killed between its last checkpoint and its publication has no step left to make its best weights again."""
    first, trained = run(tmp_path, MethodConfig(), keep=True)
    assert trained is not None
    again, resumed = run(tmp_path, MethodConfig(), keep=True)
    assert resumed is not None
    assert save(again.state_dict()) == save(first.state_dict())
    assert save(resumed.best) == save(trained.best)
    assert resumed.best
    assert resumed.curves == trained.curves
