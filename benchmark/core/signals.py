"""Signals that ask a process to end: Ctrl-C, `kill`, a terminal that closes, a scheduler that takes a job away."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GRACE = 10.0  # seconds that cleaning up may take: ending simulators takes less than one
_come: list[tuple[int, threading.Timer]] = []  # the first such signal, and what ends the process if nothing else does


class Interrupted(KeyboardInterrupt):
    """Raised where the process is when the first of them arrives. Those that follow change nothing: it is ending."""

    def __init__(self, number: int):
        super().__init__(signal.Signals(number).name)
        self.code = 128 + number  # as shells count


@contextmanager
def ending_cleanly() -> Iterator[None]:
    """Within the block such a signal raises `Interrupted`, and ends the process if that has led nowhere after a while.

    A shell lets jobs in the background ignore Ctrl-C; whoever sends them SIGINT all the same means it. `nohup` lets them ignore
    that the terminal closes, which stays so.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # others cannot set handlers
        return
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    before = {number: signal.signal(number, _end) for number in ENDING if not (ignored and number == signal.SIGHUP)}
    try:
        yield
    except Exception as error:
        if interruption := pending():  # what was running has made another error of it
            raise interruption from error
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if _come else handler)  # a process that is ending stays deaf to more
        for _, timer in _come:
            timer.cancel()
        _come.clear()


def pending() -> Interrupted | None:
    """What ends the process, if a signal has come: whatever goes wrong from then on is no failure of its own."""
    return Interrupted(_come[0][0]) if _come else None


@contextmanager
def deaf_children() -> Iterator[None]:
    """Processes started here, and those that they start, never hear the signals that a terminal or a scheduler sends to all
    processes of a run: what an interruption means is for this process to decide, and they end when it does. They may listen
    again once they have handlers of their own."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        resource_tracker.ensure_running()  # comes first, because it unblocks two of them in this process
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def follow_parent() -> None:
    """From a thread of its own, end this process at once when the one that started it is gone."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def _end(number: int, frame: FrameType | None) -> None:
    if not _come:
        timer = threading.Timer(GRACE, os._exit, [128 + number])
        timer.daemon = True
        _come.append((number, timer))
        timer.start()
        raise Interrupted(number)
