"""The command line with the toy environment registered: for tests that need a process of its own.

With a pattern of paths in KILLED_AT it is killed, with all of its group, soon after it gives something a name of that pattern.
"""

import os
import signal
import sys
import threading
from fnmatch import fnmatch
from typing import Any

from benchmark import registry
from benchmark.cli.main import main
from tests.toy import Toy

SOON = 0.05  # seconds


def killed_at(pattern: str) -> None:
    """From within: a look from outside may come when the stage is over."""
    timers: list[threading.Timer] = []

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("os.mkdir", "os.rename") and not timers and fnmatch(str(arguments[event == "os.rename"]), pattern):
            timers.append(threading.Timer(SOON, os.killpg, (os.getpgrp(), signal.SIGKILL)))
            timers[0].start()

    sys.addaudithook(look)


if __name__ == "__main__":
    registry.envs().add(Toy)
    if "KILLED_AT" in os.environ:
        killed_at(os.environ["KILLED_AT"])
    raise SystemExit(main())
