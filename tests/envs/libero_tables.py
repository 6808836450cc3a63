"""LIBERO's table where its packages are, shared by the tests of a file."""

from __future__ import annotations

from typing import Any

import pytest

from benchmark.envs.libero_goal import LiberoGoal, LiberoGoalConfig

REASON = LiberoGoal.unavailable_reason(LiberoGoalConfig())
here = pytest.mark.skipif(REASON is not None, reason=str(REASON))


@pytest.fixture(scope="module")
def env() -> Any:
    if REASON is not None:
        pytest.skip(REASON)
    env = LiberoGoal(LiberoGoalConfig(resolution=64))
    yield env
    env.close()


def seed_for(env: LiberoGoal, task: str) -> int:
    return next(number for number in range(100, 1000) if env.task(env.config, number) == task)
