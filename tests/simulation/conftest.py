from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from benchmark.simulation.demonstrate import demonstrate
from tests.simulation.fake_env import Fake, FakeConfig
from tests.watching import lives

SHARED = Path("/dev/shm")


@pytest.fixture(scope="session")
def fork_server() -> None:
    """It stays until the end of the session; the first simulation starts it."""
    list(demonstrate(Fake, FakeConfig(), [0], workers=1, timeout=60))


@pytest.fixture(autouse=True)
def nothing_left_behind(fork_server: None) -> Iterator[None]:
    """Whatever a test does to a simulation, no process and no shared memory may survive it."""
    before = processes(), segments()
    yield
    assert processes() <= before[0], "what was there before may end meanwhile"
    assert segments() == before[1]


def processes() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True) if lives(child)}


def segments() -> set[str]:
    """Seen only by a test process that is alone: others have segments of their own."""
    alone = "PYTEST_XDIST_WORKER" not in os.environ
    return set(os.listdir(SHARED)) if alone and SHARED.is_dir() else set()
