"""A store in which everything is damaged at once: every verb says so in words, and the same run makes it good."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmark import registry
from benchmark.cli.main import main
from tests.toy import Toy

ROW = ("--methods", "random", "--envs", "toy", "--policies", "mlp", "--preset", "smoke", "--quiet")
SMALL = ("machine.threads=1", "machine.workers=0", "method.random.width=8", "fit.steps=4", "rollout.episodes=2")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    registry.envs().add(Toy)
    home = tmp_path_factory.mktemp("done") / "a störe with spaces"
    assert run(home) == 0
    yield home
    registry.envs().remove("toy")


@pytest.fixture
def home(done: Path, tmp_path: Path) -> Path:
    copy = tmp_path / done.name
    shutil.copytree(done, copy)
    return copy


def run(home: Path, verb: str = "run") -> int:
    return main([verb, *ROW, "--home", str(home), *SMALL])


def records(home: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in sorted(home.glob("rollout/*/records.jsonl"))}


def damage(home: Path) -> int:
    """In every way that was found to end in a traceback; returns how many artifacts have suffered."""
    manifest = {kind: next(home.glob(f"{kind}/*/manifest.json")) for kind in ("demos", "pretrain", "embed", "probe", "fit")}
    manifest["demos"].write_text("[1]")
    manifest["pretrain"].write_text(manifest["pretrain"].read_text()[:50])
    manifest["embed"].unlink()
    changed = json.loads(manifest["probe"].read_text())
    changed["summary"]["linear_r2"] = 0.99
    manifest["probe"].write_text(json.dumps(changed))
    folder = manifest["fit"].parent
    shutil.rmtree(folder)
    folder.write_text("")
    (home / "failures" / f"{folder.name}.json").write_text("{")
    (home / "last.json").write_bytes(bytes(100))
    return 5


def test_every_verb_says_so_in_words_and_the_same_run_makes_it_good(
    done: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suffered = damage(home)
    place = ["--home", str(home)]
    assert run(home, "plan") == 0
    assert "demos: 1 (0 cached)" in capsys.readouterr().out
    assert main(["table", "main", *ROW, *place, *SMALL]) == 0
    assert "corrupt" in capsys.readouterr().out
    assert main(["table", "main", *place]) == 0
    assert capsys.readouterr().err.count("last.json") == 1
    assert main(["results", "ls", *place]) == 0
    assert capsys.readouterr().out.count("damaged") == suffered
    assert main(["results", "verify", *place]) == 1
    assert capsys.readouterr().out.count("corrupt: ") == suffered + 2
    assert main(["results", "gc", *place]) == 0
    assert run(home) == 0
    said = capsys.readouterr()
    assert records(home) == records(done)
    assert main(["results", "verify", *place]) == 0
    assert main(["table", "main", *place]) == 0
    assert len(list((home / "quarantine").iterdir())) == suffered
    assert "Traceback" not in said.err


def test_repair_sets_aside_what_is_damaged(done: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    suffered = damage(home)
    assert main(["results", "verify", "--repair", "--home", str(home)]) == 1
    assert len(list((home / "quarantine").iterdir())) == suffered + 2
    assert main(["results", "verify", "--home", str(home)]) == 0


def test_a_cell_can_be_done_again(done: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = records(home)
    (fit,) = home.glob("fit/*")
    assert main(["results", "redo", fit.name[:8], "--home", str(home)]) == 0
    assert not records(home), "what was made from it goes with it"
    assert not fit.exists()
    assert len(list(home.glob("embed/*"))) == 1
    assert run(home) == 0
    assert records(home) == before


@pytest.mark.parametrize("text", ["{", "{}", "[]", '{"kind": "fit", "components": 5}'])
def test_a_damaged_description_of_a_stage_is_said(home: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = next(home.glob("stages/*.json"))
    path.write_text(text)
    assert main(["worker", path.stem, "--home", str(home)]) == 2
    assert f"{path} cannot be read" in capsys.readouterr().err


@pytest.fixture
def impatience() -> Iterator[None]:
    """A test that waits for ever fails."""

    def give_up(*_: object) -> None:
        pytest.fail("it waits")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(300)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("impatience")
def test_a_pipe_in_the_place_of_a_note_is_not_waited_for(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (next(home.glob("stages/*.json")), next(home.glob("plans/*.json")), next(home.glob("fit/*/manifest.json"))):
        path.unlink()
        os.mkfifo(path)
    (home / "last.json").unlink()
    os.mkfifo(home / "last.json")
    assert main(["results", "verify", "--home", str(home)]) == 1
    assert capsys.readouterr().out.count("corrupt: ") == 4
    assert main(["table", "main", "--home", str(home)]) == 2
    assert "last.json" in capsys.readouterr().err
    assert run(home) == 0


def test_an_interrupted_recording_goes_on_after_a_damaged_episode(
    done: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Finished episodes are kept until the demonstrations are whole."""
    from benchmark.core.progress import Task
    from benchmark.stages import demos
    from benchmark.stages.base import Context, Execution
    from benchmark.stages.params.demos import Params
    from benchmark.storage.artifacts import Store

    (key,) = Store(home).keys("demos")
    params = Store(home).manifest("demos", key).params_as(Params)
    work = home / "work"
    work.mkdir()
    for attempt in ("one", "two"):
        out = home / attempt
        out.mkdir()
        demos.run(Context(params, {}, out, work, Task(), Execution(workers=0)))
        assert (out / "frames.npy").read_bytes() == (home / "demos" / key / "frames.npy").read_bytes()
        episode = work / "000001.npz"
        content = bytearray(episode.read_bytes())
        content[len(content) // 2] ^= 1
        episode.write_bytes(bytes(content))
    assert capsys.readouterr().err.count("damaged episode") == 1
