"""What every environment promises."""

from __future__ import annotations

import numpy as np

from benchmark.config.compose import component_config
from benchmark.config.schema import PRESETS
from benchmark.conformance.common import ensure
from benchmark.contracts import Environment
from benchmark.errors import Missing
from benchmark.seeds import evaluation_seed, numpy_rng, seed


def _simulator(cls: type[Environment]) -> Environment:
    config = component_config(cls, "smoke", cls.name)
    if reason := cls.missing(config):
        raise Missing(reason)
    return cls(config)


def env_presets(cls: type[Environment]) -> None:
    """Presets set only fields that exist, to values that are allowed; the spec is consistent."""
    for preset in PRESETS:
        spec = cls.spec(component_config(cls, preset, cls.name))
        ensure(len(spec.action_low) == len(spec.action_high), "action bounds differ in length")
        ensure(all(low < high for low, high in zip(spec.action_low, spec.action_high, strict=True)), "empty action bounds")
        low, high = spec.metric_range
        ensure(low <= spec.expert_target <= high, "the expert's target lies outside the metric's range")


def env_observations(cls: type[Environment]) -> None:
    """Frames, state, proprioception and score have the declared sizes, types and names."""
    env = _simulator(cls)
    try:
        spec, side = cls.spec(env.config), env.config.resolution
        env.reset(evaluation_seed("conformance"))
        frames = env.render()
        ensure(frames.dtype == np.uint8, f"frames are {frames.dtype}")
        ensure(frames.shape == (len(spec.views), side, side, 3), f"frames have shape {frames.shape}")
        ensure(frames.std() > 1, "the picture is blank")
        ensure(env.state().shape == (spec.state_dim,) and env.state().dtype == np.float32, "state")
        ensure(env.proprio().shape == (spec.proprio_dim,) and env.proprio().dtype == np.float32, "proprio")
        score = env.score()
        ensure(spec.metric in score, f"score() lacks the metric '{spec.metric}'")
        ensure(all(f"task/{task}" in score for task in spec.tasks), "score() lacks a task")
    finally:
        env.close()


def env_is_deterministic(cls: type[Environment]) -> None:
    """The seed decides the episode, whatever was simulated before."""
    env = _simulator(cls)
    try:
        first = _play(env, 1)
        _play(env, 2)
        again = _play(env, 1)
        ensure(all(np.array_equal(a, b) for a, b in zip(first, again, strict=True)), "the same seed played differently")
    finally:
        env.close()


def env_leaves_global_randomness_alone(cls: type[Environment]) -> None:
    """No global generator is read or moved."""
    env = _simulator(cls)
    try:
        np.random.seed(1)  # noqa: NPY002
        before = _global_state()
        one = _play(env, 1)
        ensure(_global_state() == before, "the global numpy generator moved")
        np.random.seed(2)  # noqa: NPY002
        ensure(all(np.array_equal(a, b) for a, b in zip(one, _play(env, 1), strict=True)), "global numpy state matters")
    finally:
        env.close()


def env_expert_acts(cls: type[Environment]) -> None:
    """The expert gives actions of the right size and improves the score, the same for the same seed."""
    env = _simulator(cls)
    try:
        spec = cls.spec(env.config)
        played = []
        for _ in range(2):
            env.reset(seed("conformance", 3))
            before = env.score()[spec.metric]
            expert, actions = env.expert(seed("conformance", 4)), []
            for _ in range(spec.max_steps):
                action = expert.act()
                if action is None:
                    break
                ensure(np.asarray(action).shape == (spec.action_dim,), "action size")
                actions.append(np.asarray(action))
                if env.step(np.clip(action, spec.action_low, spec.action_high).astype(np.float32)):
                    break
            ensure(env.score()[spec.metric] > before, "the expert did not raise the score")
            played.append(np.stack(actions))
        ensure(np.array_equal(played[0], played[1]), "the expert acted differently under the same seed")
    finally:
        env.close()


def _global_state() -> str:
    return repr(np.random.get_state())  # noqa: NPY002


def _play(env: Environment, number: int, steps: int = 12) -> tuple[np.ndarray, ...]:
    spec = env.spec(env.config)
    env.reset(evaluation_seed("conformance", number))
    rng = numpy_rng("conformance", "actions", number)
    states, low, high = [env.state()], np.array(spec.action_low), np.array(spec.action_high)
    for _ in range(steps):
        env.step(rng.uniform(low, high).astype(np.float32))
        states.append(env.state())
    return np.stack(states), env.render(), env.proprio(), np.array(list(env.score().values()))


PROMISES = (env_presets, env_observations, env_is_deterministic, env_leaves_global_randomness_alone, env_expert_acts)
