"""One stage, executed by its key from a process that knows nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmark.cli.main import main
from benchmark.launch.base import publish, published
from benchmark.planning.recipes import make_plan
from benchmark.planning.request import Request
from benchmark.stages.base import Execution
from benchmark.storage.artifacts import Store

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
