"""A kitchen that the tests of a file share, and where its joints are."""

import pytest

from benchmark.envs.kitchen import Kitchen, KitchenConfig

LARGE_SEED = 2**62 - 1


@pytest.fixture(scope="module")
def env():
    env = Kitchen(KitchenConfig(resolution=64))
    yield env
    env.close()


def qpos(env):
    return env._simulator.data.qpos
