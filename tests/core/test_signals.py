"""Whatever asks a run to end, and however often: one line, soon, and nobody is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from benchmark.core.signals import ENDING, Interrupted, ending_cleanly

ROOT = Path(__file__).parents[2]
RUN = """
import sys
import numpy as np
from types import SimpleNamespace
from benchmark.cli import main as cli
from benchmark.simulation.rollout import rollout
from tests.simulation.fake_env import Fake, FakeConfig

class Still:
    def needs_frame(self, time): return True
    def begin(self, slot, seed): pass
    def act(self, slots): return np.zeros((4, 3))

def run(options):
    def tell(outcome):
        if outcome.episode == 0:
            print("it runs", flush=True)
    rollout(Fake, FakeConfig(pause=0.02), range(100000), Still(), slots=4, workers=2, timeout=60, on_outcome=tell)

if __name__ == "__main__":
    cli.parse = lambda words: SimpleNamespace(run=run)
    raise SystemExit(cli.main([]))
"""


def as_a_shell_does() -> None:
    """Whoever runs these tests may be under `nohup`, or in the background."""
    for number in ENDING:
        signal.signal(number, signal.SIG_DFL)


def started(tmp_path: Path, prepare: Callable[[], object] = as_a_shell_does) -> subprocess.Popen[str]:
    script = tmp_path / "running.py"
    script.write_text(RUN)
    process = subprocess.Popen(
        [sys.executable, script],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=prepare,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "it runs\n"
    return process


@pytest.mark.parametrize(
    ("number", "send"),
    [(signal.SIGINT, os.killpg), (signal.SIGHUP, os.killpg), (signal.SIGTERM, os.killpg), (signal.SIGTERM, os.kill)],
)
def test_a_run_ends_with_one_line_and_leaves_nobody(tmp_path: Path, number: signal.Signals, send: Callable) -> None:
    process = started(tmp_path)
    family = psutil.Process(process.pid).children(recursive=True)
    assert len(family) >= 3, "simulators, and the server that they are forked from"
    for _ in range(3):  # impatient people press twice
        send(process.pid, number)
    try:
        _, said = process.communicate(timeout=120)
    finally:
        process.kill()
    lines = list(filter(None, said.replace("simulators talk", "").splitlines()))  # they may talk at once
    assert lines == ["interrupted; run the same command again and it goes on from here"]
    assert process.returncode == 128 + number
    _, alive = psutil.wait_procs(family, timeout=60)
    assert not alive


def test_a_job_in_the_background_hears_who_means_it(tmp_path: Path) -> None:
    """Its shell has it ignore Ctrl-C; `nohup` has it ignore a terminal that closes, which it goes on to do."""

    def as_nohup_in_the_background() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    process = started(tmp_path, as_nohup_in_the_background)
    os.kill(process.pid, signal.SIGHUP)
    os.kill(process.pid, signal.SIGINT)
    try:
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert "interrupted" in said
    assert process.returncode == 128 + signal.SIGINT


def test_handlers_are_those_of_before_when_nothing_came() -> None:
    before = [signal.getsignal(number) for number in ENDING]
    with ending_cleanly():
        assert [signal.getsignal(number) for number in ENDING] != before
    assert [signal.getsignal(number) for number in ENDING] == before


def test_a_second_signal_disturbs_no_cleaning_up() -> None:
    before = {number: signal.getsignal(number) for number in ENDING}
    cleaned = False
    try:
        with pytest.raises(Interrupted) as caught, ending_cleanly():
            try:
                signal.raise_signal(signal.SIGTERM)
            finally:
                signal.raise_signal(signal.SIGINT)
                cleaned = True
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert cleaned
    assert caught.value.code == 143
    timers = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
    assert all(timer.finished.is_set() for timer in timers), "nothing ends this process later"


def test_an_error_that_was_made_of_the_interruption_is_the_interruption() -> None:
    """Python itself does so: what is raised while a class is made becomes a RuntimeError."""
    before = {number: signal.getsignal(number) for number in ENDING}
    try:
        with pytest.raises(Interrupted), ending_cleanly():
            try:
                signal.raise_signal(signal.SIGTERM)
            except Interrupted as error:
                raise RuntimeError("a class could not be made") from error
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_a_run_in_another_thread_sets_no_handlers() -> None:
    done: list[bool] = []

    def run() -> None:
        with ending_cleanly():
            done.append(True)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert done == [True]
