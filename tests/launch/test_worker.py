"""One stage, executed by its key from a process that knows nothing else."""

from __future__ import annotations

import errno
import json
import os
import shlex
from pathlib import Path

import pytest

from benchmark.cli.main import main
from benchmark.core.progress import Reporter
from benchmark.launch.base import End, Ending, publish, published
from benchmark.launch.execute import Executor
from benchmark.launch.failures import worker_command
from benchmark.launch.task import execute_key
from benchmark.planning.recipes import make_plan
from benchmark.planning.request import Request
from benchmark.stages.base import Execution
from benchmark.storage.artifacts import Store
from benchmark.storage.claims import Claims

REQUEST = Request(["random"], ["toy"], ["mlp"], 1, "smoke")


@pytest.fixture
def home(tmp_path: Path, toy: type) -> Path:
    store = Store(tmp_path / "runs").prepare()
    for stage in make_plan(REQUEST).stages.values():
        publish(store, stage, Execution(workers=1))
    return store.root


def keys() -> dict[str, str]:
    return make_plan(REQUEST).cells[0].stages


def test_stages_in_order_make_the_records_of_a_run(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for key in keys().values():
        assert main(["worker", key, "--home", str(home), "--quiet"]) == 0
    flags = ["--methods", "random", "--envs", "toy", "--policies", "mlp", "--preset", "smoke", "--quiet"]
    assert main(["run", *flags, "--home", str(tmp_path / "whole")]) == 0
    mine, theirs = (place / "rollout" / keys()["rollout"] / "records.jsonl" for place in (home, tmp_path / "whole"))
    assert mine.read_bytes() == theirs.read_bytes()


def test_what_a_stage_builds_on_has_to_be_there(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["worker", keys()["embed"], "--home", str(home)]) == 1
    assert f"`python -m benchmark worker {keys()['demos']} --home {home}` makes it" in " ".join(capsys.readouterr().err.split())


def test_the_command_that_makes_it_is_one_for_a_shell(tmp_path: Path) -> None:
    command = worker_command(Store(tmp_path / "my runs"), "abc")
    assert shlex.split(command)[3:] == ["worker", "abc", "--home", str(tmp_path / "my runs")]


def test_a_disk_without_room_for_a_claim_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk filled up after the run had begun: a worker ended without a word, three times."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "claims/demos")

    monkeypatch.setattr(Claims, "_take", full)
    ending = execute_key(Executor(Store(home), Reporter(quiet=True)), keys()["demos"])
    assert ending == Ending(keys()["demos"], End.FAILED, "No space left on device: claims/demos")


def test_a_stage_that_nobody_planned_is_an_error(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["worker", "0" * 20, "--home", str(home)]) == 2
    assert "no stage 00000000000000000000 was planned" in capsys.readouterr().err


def test_a_key_may_be_abbreviated_as_plan_prints_it(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["worker", keys()["demos"][:10], "--home", str(home), "--quiet"]) == 0
    assert keys()["demos"] in capsys.readouterr().out
    assert main(["worker", "", "--home", str(home)]) == 2, "all begin with nothing"


def test_other_code_than_planned_is_refused(home: Path) -> None:
    """A worker on another checkout, or with other libraries, would publish a number under a key that is not its own."""
    key = keys()["pretrain"]
    path = home / "stages" / f"{key}.json"
    text = json.loads(path.read_text())
    path.write_text(json.dumps({**text, "params": {**text["params"], "seed": 1}}))
    with pytest.raises(Exception, match="was planned with other code"):
        published(Store(home), key)


def test_a_manifest_says_what_the_machine_made_of_a_request(home: Path) -> None:
    assert (
        main(["run", "--methods", "byol", "--envs", "toy", "--policies", "mlp", "--preset", "smoke", "--home", str(home)]) == 0
    )
    (path,) = home.glob("pretrain/*/manifest.json")
    manifest = json.loads(path.read_text())
    assert manifest["params"]["learning"]["device"] == manifest["params"]["learning"]["precision"] == "auto"
    assert manifest["machine"]["device"] in ("cpu", "cuda")
    assert manifest["machine"]["precision"] in ("fp32", "bf16")
    assert [row["module"] for row in manifest["machine"]["components"]] == ["benchmark.methods.byol"]
    assert manifest["libraries"]["torch"]
