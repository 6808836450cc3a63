"""Claims without locks of the operating system: on one machine or several, with owners that die, fall silent or are damaged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from benchmark.core import memory
from benchmark.storage import claims as module
from benchmark.storage import processes
from benchmark.storage.claims import BEAT, COUNTER, EXPIRES, OWNER, Claims
from benchmark.storage.files import discard, temporary_name
from benchmark.storage.processes import Process, token


@pytest.fixture
def claims(tmp_path: Path) -> Claims:
    return Claims(tmp_path / "claims")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets so many seconds pass, by the clock of this process alone."""
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return lambda seconds: now.__setitem__(0, now[0] + seconds)


def waited_for(claims: Claims, clock: Callable[[float], None], seconds: float) -> bool:
    """Whether a claim could be had after so many seconds of looking at it."""
    for _ in range(round(seconds)):
        clock(1.0)
        had = can_be_had(claims)
    return had


def claimed_by(claims: Claims, process: Process, name: str = "theirs") -> Path:
    claim = claims.folder / "fit-a"
    claim.mkdir(parents=True)
    (claim / OWNER).write_text(json.dumps({"name": name, "process": asdict(process)}))
    (claim / f"{COUNTER}{name}").write_text("0")
    return claim


def can_be_had(claims: Claims) -> bool:
    with claims.try_hold("fit", "a") as held:
        return held


ELSEWHERE = replace(Process.current(), host="node7", place="0123456789ab")


def test_a_claim_is_held_by_one_and_given_back(claims: Claims) -> None:
    with claims.try_hold("fit", "a") as mine, claims.try_hold("fit", "b") as another:
        assert mine
        assert another
        assert claims.is_held("fit", "a")
        assert not can_be_had(Claims(claims.folder))
    assert not list(claims.folder.iterdir())
    assert can_be_had(claims)


def test_of_many_that_try_at_once_one_gets_it(claims: Claims) -> None:
    start, end, got = threading.Barrier(8), threading.Barrier(8), []

    def try_it() -> None:
        start.wait()
        with Claims(claims.folder).try_hold("fit", "a") as held:
            got.append(held)
            end.wait()

    threads = [threading.Thread(target=try_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == [False] * 7 + [True]
    assert not list(claims.folder.iterdir())


def test_who_was_faster_may_have_given_a_claim_back_already(claims: Claims, monkeypatch: pytest.MonkeyPatch) -> None:
    """Taken after this process has looked whether it is free, and free again before it looks why it could not have it."""

    def taken_meanwhile(claim: Path) -> Path:
        claimed_by(claims, ELSEWHERE)
        return temporary_name(claim)

    def given_back_meanwhile(fresh: Path) -> None:
        discard(fresh)
        discard(claims.folder / "fit-a")

    with monkeypatch.context() as patch:
        patch.setattr(module, "temporary_name", taken_meanwhile)
        patch.setattr(module, "discard", given_back_meanwhile)
        assert not can_be_had(claims)
    assert not list(claims.folder.iterdir())
    assert can_be_had(claims)


def test_a_dead_process_of_this_machine_holds_nothing(claims: Claims) -> None:
    """At once, also if its number is another's by now: that one started later."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for gone in (replace(Process.current(), pid=ended.pid), replace(Process.current(), started=1)):
        claimed_by(claims, gone)
        assert not claims.is_held("fit", "a")
        assert can_be_had(claims)


def test_a_living_process_of_this_machine_keeps_its_claim(claims: Claims, clock: Callable[[float], None]) -> None:
    claim = claimed_by(claims, Process.current())
    for beat in range(5):
        (claim / f"{COUNTER}theirs").write_text(str(beat))
        assert not waited_for(claims, clock, EXPIRES - 1)


def test_a_process_of_this_machine_that_is_suspended_loses_its_claim(claims: Claims, clock: Callable[[float], None]) -> None:
    """Or that builds in another store, of which this one is a copy: what matters is that the counter stands still."""
    claimed_by(claims, Process.current())
    assert not can_be_had(claims)
    assert not waited_for(claims, clock, EXPIRES - 1)
    assert waited_for(claims, clock, 1)


def test_who_was_suspended_itself_takes_no_claim_of_the_living(claims: Claims, clock: Callable[[float], None]) -> None:
    claimed_by(claims, ELSEWHERE)
    assert not can_be_had(claims)
    clock(100 * EXPIRES)
    assert not can_be_had(claims), "the whole machine may have stood still"


def test_a_process_elsewhere_is_gone_when_its_counter_stood_still_before_our_eyes(
    claims: Claims, clock: Callable[[float], None]
) -> None:
    """No time of day is compared, so a clock that is an hour off changes nothing."""
    claim = claimed_by(claims, ELSEWHERE)
    os.utime(claim / OWNER, (0, 0))
    assert not can_be_had(claims)
    assert not waited_for(claims, clock, EXPIRES - 1)
    (claim / f"{COUNTER}theirs").write_text("1")
    assert not waited_for(claims, clock, 2), "it has given a sign of life"
    assert not waited_for(claims, clock, EXPIRES - 2)
    assert waited_for(claims, clock, 1)
    assert EXPIRES >= 10 * BEAT


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "x"}', '{"name": "x", "process": {"pid": "7"}}', None])
def test_a_damaged_claim_ends_as_that_of_a_silent_process_does(
    claims: Claims, clock: Callable[[float], None], text: str | None
) -> None:
    claim = claimed_by(claims, ELSEWHERE)
    if text is None:
        (claim / OWNER).unlink()
    else:
        (claim / OWNER).write_text(text)
    assert not can_be_had(claims)
    assert claims.holder("fit", "a") == f"its claim {claim} cannot be read, and ends when it has not changed for 60 s"
    assert waited_for(claims, clock, EXPIRES)
    assert not list(claims.folder.iterdir())


def test_who_waits_is_told_for_whom(claims: Claims) -> None:
    claimed_by(claims, ELSEWHERE)
    assert claims.holder("fit", "a") == f"process {os.getpid()} on node7 is building it"
    assert claims.holder("fit", "b") == "another run was building it"


def test_a_file_in_the_place_of_a_claim_does_not_stay_for_ever(claims: Claims, clock: Callable[[float], None]) -> None:
    claims.folder.mkdir()
    (claims.folder / "fit-a").write_text("")
    assert not can_be_had(claims)
    assert waited_for(claims, clock, EXPIRES)


def test_who_lost_a_claim_does_not_take_it_back(claims: Claims) -> None:
    """It was silent for too long; by the time it ends, the claim is another's."""
    with claims.try_hold("fit", "a"):
        claim = claims.folder / "fit-a"
        claim.rename(claims.folder / "gone")
        claimed_by(claims, ELSEWHERE)
    assert json.loads((claim / OWNER).read_text())["name"] == "theirs"


def test_the_counter_rises_while_a_claim_is_held_and_nobody_elses_is_touched(
    claims: Claims, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BEAT", 0.001)
    with claims.try_hold("fit", "a"):
        (counter,) = (claims.folder / "fit-a").glob(f"{COUNTER}*")
        for _ in range(5000):
            if counter.read_text() not in ("", "0"):
                break
            time.sleep(0.002)
        else:
            raise AssertionError("no sign of life")
        counter.rename(counter.with_name("taken over"))
    assert not counter.exists()


def test_waiting_is_said_once_and_ends_when_the_claim_is_free(claims: Claims, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    claim = claimed_by(claims, ELSEWHERE)

    def sleep(seconds: float) -> None:
        said.append("slept")
        if len(said) == 4:
            module.discard(claim)

    monkeypatch.setattr(module.time, "sleep", sleep)
    with claims.hold("fit", "a", lambda: said.append("waiting")):
        assert said == ["waiting", "slept", "slept", "slept"]


def test_no_lock_of_the_operating_system_is_asked_for(claims: Claims, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    def refused(*arguments: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refused)
    monkeypatch.setattr(fcntl, "lockf", refused)
    assert can_be_had(claims)


def test_a_process_whose_name_was_cut_in_a_letter_holds_claims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray names workers after their stages, and the kernel keeps 15 bytes of `ray::pretrain · byol`."""
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "stat").write_bytes(b"7 (ray::pretrain \xc2) S " + b" ".join(b"%d" % n for n in range(4, 60)))
    monkeypatch.setattr(processes, "PROC", tmp_path)
    assert processes._started(7) == 22
    (tmp_path / "status").write_bytes(b"Name:\tray::pretrain \xc2\nVmHWM:\t   4 kB\n")
    monkeypatch.setattr(memory, "STATUS", tmp_path / "status")
    assert memory._peak() == 4096


def test_where_there_is_no_proc_a_dead_process_holds_nothing(
    claims: Claims, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On macOS no store could be used at all."""
    monkeypatch.setattr(processes, "PROC", tmp_path / "absent")
    for name in ("_place", "_current"):
        monkeypatch.setattr(processes, name, getattr(processes, name).__wrapped__)
    with claims.try_hold("fit", "a") as mine:
        assert mine
        assert not can_be_had(Claims(claims.folder))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for gone in (replace(Process.current(), pid=ended.pid), replace(Process.current(), started=1)):
        claimed_by(claims, gone)
        assert can_be_had(claims)


def test_a_token_says_whose_it_is_and_comes_once() -> None:
    names = {token() for _ in range(100)}
    assert len(names) == 100
    owner = Process.of_token(names.pop())
    assert owner is not None
    assert owner.is_here()
    assert owner.runs()
    assert Process.of_token("probe-17") is None
