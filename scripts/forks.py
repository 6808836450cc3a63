"""A call in a process of its own that shares what is imported already: for scripts that run a command many times."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path


def forked(call: Callable[[], int], log: Path, timeout: int = 0) -> int:
    """The number of a process that runs a call and exits with what it returns. What it prints goes into a file.

    After so many seconds an alarm ends it, 0 for never.
    """
    if (process := os.fork()) == 0:
        code = 70
        try:
            with log.open("w") as file:
                os.dup2(file.fileno(), 1)
                os.dup2(file.fileno(), 2)
            signal.alarm(timeout)
            code = call()
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return process
