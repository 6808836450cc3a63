"""Stages side by side in processes: the same records, killed workers, Ctrl-C. Processes import torch: there are few tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchmark.cli.main import main
from benchmark.core.progress import Reporter
from benchmark.launch import local
from benchmark.launch.base import Job
from benchmark.launch.local import LocalEngine
from benchmark.planning.graph import Stage
from benchmark.planning.recipes import make_plan
from benchmark.planning.request import Request
from benchmark.planning.resources import Machine, Needs
from benchmark.simulation.workers import THREADS
from benchmark.storage.artifacts import Store
from tests.watching import seen

ROOT = Path(__file__).parents[2]
MATRIX = ("--methods", "random,byol", "--envs", "toy", "--policies", "knn,mlp", "--preset", "smoke")
LONG = ("pretrain.steps=3000", "pretrain.checkpoint_every=5")  # until somebody stops it


def records(home: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in home.glob("rollout/*/records.jsonl")}


def start(home: Path, *arguments: str, copied: bool = True) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.toy_main", "run", *MATRIX, "--home", str(home), "machine.cores=2", *arguments]
    threads = dict.fromkeys(THREADS, "1") if copied else {"OPENBLAS_NUM_THREADS": "2"}
    environment = {**os.environ, **threads, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, cwd=ROOT, env=environment, text=True, stderr=subprocess.PIPE, start_new_session=True)


def wait_for(condition: Callable[[], Any], process: subprocess.Popen[str]) -> Any:
    deadline = time.monotonic() + 600
    while not (value := condition()):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return value


def command(process: psutil.Process) -> str:
    """Empty if it ended since it was listed, as git does that a run asks for the commit."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def test_side_by_side_and_one_after_another_leave_the_same_records(toy: type, tmp_path: Path, capfd: Any) -> None:
    assert main(["run", *MATRIX, "--home", str(tmp_path / "two"), "machine.cores=2", "machine.threads=1"]) == 0
    said = capfd.readouterr().err
    assert "rollouts knn" in said, "stages of workers are told here"
    assert main(["run", *MATRIX, "--home", str(tmp_path / "one"), "--quiet", "machine.cores=1"]) == 0
    assert len(records(tmp_path / "one")) == 4
    assert records(tmp_path / "two") == records(tmp_path / "one")
    assert not list((tmp_path / "two" / "building").iterdir())
    assert all("multiprocessing" in line for line in map(command, psutil.Process().children()) if line), (
        "only the fork server of simulators, which is of this process, may be left"
    )


def checkpoints(home: Path) -> list[int]:
    """Steps that a pretraining could go on from."""
    return sorted(int(path.stem.removeprefix("step")) for path in seen(home, "building/pretrain-*/**/step*.json"))


def test_a_killed_worker_costs_an_interval_and_ctrl_c_ends_everything(tmp_path: Path) -> None:
    process = start(tmp_path, *LONG)
    me = psutil.Process(process.pid)
    before = wait_for(lambda: checkpoints(tmp_path), process)[-1]
    copies = [child for child in me.children() if command(child) == command(me)]
    assert len(copies) == 2, "the first workers import nothing"
    worker, everything = copies[0], me.children(recursive=True)
    for child in copies:
        child.kill()
    wait_for(lambda: all(child.pid != worker.pid for child in me.children()) and checkpoints(tmp_path)[-1:] > [before], process)
    everything += me.children(recursive=True)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "its process was killed by SIGKILL; trying again" in said
    assert "interrupted; run the same command again" in said
    _, alive = psutil.wait_procs(everything, timeout=60)
    assert not alive


def test_ctrl_c_of_a_terminal_reaches_workers_that_still_import(tmp_path: Path) -> None:
    """It goes to all processes of a run."""
    process = start(tmp_path, *LONG, copied=False)
    me = psutil.Process(process.pid)
    wait_for(lambda: any("spawn_main" in command(child) for child in me.children()), process)
    everything = me.children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Traceback" not in said
    _, alive = psutil.wait_procs(everything, timeout=60)
    assert not alive


class Nobody:
    def __getattr__(self, event: str) -> Callable[..., None]:
        return lambda *_: None


@pytest.fixture
def engine(store: Store, monkeypatch: pytest.MonkeyPatch) -> Callable[[Machine], LocalEngine]:
    """Whose workers are nobody, so that only its bookkeeping is tested."""

    def make(machine: Machine) -> LocalEngine:
        observer: Any = Nobody()
        return LocalEngine(machine, store, observer, Reporter(quiet=True))

    def start(self: LocalEngine, gpus: tuple[int, ...]) -> Any:
        with open(os.devnull, "rb") as log:
            worker = local._Worker(None, Nobody(), os.fdopen(os.dup(log.fileno()), "rb"), gpus)  # type: ignore[arg-type]
        self._workers.append(worker)
        return worker

    monkeypatch.setattr(LocalEngine, "_start", start)
    return make


@pytest.fixture
def stage(toy: type) -> Stage:
    return next(iter(make_plan(Request(["random"], ["toy"], ["knn"], 1, "smoke")).stages.values()))


def test_no_more_runs_than_cores_memory_and_gpus_allow(engine: Callable[[Machine], LocalEngine], stage: Stage) -> None:
    pool = engine(Machine(cores=4, memory=8.0, gpus=2))
    assert pool.fits(Needs(cores=99, memory=99.0)), "alone rather than never"
    pool.submit([Job(stage, Needs(2, 3.0, 1.0))])
    assert pool.fits(Needs(2, 5.0, 1.0))
    assert not pool.fits(Needs(3, 1.0))
    assert not pool.fits(Needs(1, 5.1))
    assert not pool.fits(Needs(1, 1.0, 2.0))
    pool.submit([Job(stage, Needs(1, 1.0, 0.5)), Job(stage, Needs(1, 1.0, 0.25))])
    assert [worker.gpus for worker in pool._workers] == [(0,), (1,), (1,)], "shares go to the fullest that has room"
    assert not pool.fits(Needs(1, 1.0, 0.0)), "no core is left"


def test_a_worker_is_used_again_for_the_same_gpus_only(engine: Callable[[Machine], LocalEngine], stage: Stage) -> None:
    pool = engine(Machine(cores=4, memory=8.0, gpus=2))
    pool.submit([Job(stage, Needs(1, 1.0, 2.0))])
    assert pool._workers[0].gpus == (0, 1)
    pool._workers[0].job = None
    pool.submit([Job(stage, Needs(1, 1.0, 1.0))])
    assert [worker.gpus for worker in pool._workers] == [(0, 1), (0,)]
    pool._workers[1].job = None
    pool.submit([Job(stage, Needs(1, 1.0, 0.5))])
    assert len(pool._workers) == 2


def test_libraries_of_a_worker_have_one_thread_and_its_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    with local._environment((1,), 2):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "6"
        assert os.environ["OMP_NUM_THREADS"] == os.environ["OPENBLAS_NUM_THREADS"] == "1"
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "4,6"
    assert os.environ["OMP_NUM_THREADS"] == "7"


def test_a_worker_that_does_not_stop_is_killed(engine: Callable[[Machine], LocalEngine], stage: Stage) -> None:
    """A simulator in a loop of its own does not hear a signal."""
    pool, said = engine(Machine(cores=1, memory=8.0)), []

    class Deaf:
        def __getattr__(self, verb: str) -> Callable[..., None]:
            return lambda *_: said.append(verb)

    pool.submit([Job(stage, Needs())])
    pool._workers[0].process = Deaf()
    pool.cancel()
    assert said == ["terminate", "join", "kill", "join"]
    assert not pool._workers
