"""What every environment promises: a simulator, or a data set of recordings."""

from __future__ import annotations

import gc
import random
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

from benchmark.conformance.common import Faults, check_preset_names, ensure
from benchmark.contracts.data import check_episode
from benchmark.contracts.environment import Dataset, Environment, Simulator
from benchmark.contracts.presets import PRESETS, component_config
from benchmark.contracts.specs import EnvSpec
from benchmark.core.errors import Unavailable, UnknownName
from benchmark.core.seeds import evaluation_seed, numpy_rng, seed
from benchmark.simulation.demonstrate import demonstrate


def _config(cls: type[Environment], config: Any) -> Any:
    return component_config(cls, "smoke", cls.name) if config is None else config


def _simulator(cls: type[Simulator], config: Any) -> Simulator:
    config = _config(cls, config)
    if reason := cls.unavailable_reason(config):
        raise Unavailable(reason)
    return cls(config)


def env_presets(cls: type[Environment], config: Any = None) -> None:
    """Presets set only fields that exist, to values that are allowed; the spec is consistent."""
    check_preset_names(cls)
    for preset in cls.stage_presets:
        if preset not in PRESETS:
            raise UnknownName(f"preset in {cls.name}.stage_presets:", preset, PRESETS)
    for preset in PRESETS:
        spec = cls.spec(component_config(cls, preset, cls.name))
        ensure(all(low < high for low, high in zip(spec.action_low, spec.action_high, strict=True)), "empty action bounds")
        low, high = spec.metric_range
        ensure(low <= spec.expert_target <= high, "the expert's target lies outside the metric's range")
        if spec.state_target is not None:
            ensure(low < spec.state_target <= high, "the state's target lies outside the metric's range")


def env_observations(cls: type[Simulator], config: Any = None) -> None:
    """Frames, state, proprioception and score have the declared sizes, types and names."""
    env = _simulator(cls, config)
    try:
        spec = cls.spec(env.config)
        with Faults() as faults:
            number = evaluation_seed("conformance")
            env.reset(number)
            tasks = _counted(env, spec, number)
            _observe(faults, env, spec, tasks, "at step 0, after reset(seed)")
            env.step(np.mean([spec.action_low, spec.action_high], axis=0).astype(np.float32))
            _observe(faults, env, spec, tasks, "at step 1")
    finally:
        env.close()


def _counted(env: Simulator, spec: EnvSpec, number: int) -> tuple[str, ...]:
    """The tasks that the score of an episode tells of."""
    asked = env.task(env.config, number)
    return spec.tasks if asked is None else (asked,)


def _observe(faults: Faults, env: Simulator, spec: EnvSpec, tasks: tuple[str, ...], when: str) -> None:
    side = env.config.resolution
    frames = env.render()
    wanted = (len(spec.views), side, side, 3)
    views = f"{len(spec.views)} views ({', '.join(spec.views)}) of {side} x {side} pixels"
    faults.ensure(frames.dtype == np.uint8, f"frames {when}: render() gave numbers of type {frames.dtype}, promised is uint8")
    faults.ensure(frames.shape == wanted, f"frames {when}: render() gave shape {frames.shape}, promised are {views}: {wanted}")
    faults.ensure(
        frames.std() > 1, f"frames {when}: the image is blank, every pixel is {frames.flat[0] if frames.size else 'absent'}"
    )
    for name, values, size, where in (
        ("state", env.state(), spec.state_dim, "state_names"),
        ("proprio", env.proprio(), spec.proprio_dim, "proprio_dim"),
    ):
        faults.ensure(values.dtype == np.float32, f"{name} {when}: {name}() gave {values.dtype}, promised is float32")
        faults.ensure(
            values.shape == (size,),
            f"{name} {when}: {name}() gave shape {values.shape}, spec().{where} promises {size} numbers",
        )
        faults.ensure(bool(np.isfinite(values).all()), f"{name} {when}: {name}() contains NaN or infinite numbers")
    score = env.score()
    low, high = spec.metric_range
    has = faults.ensure(
        spec.metric in score, f"score {when}: score() lacks the metric '{spec.metric}', it has {', '.join(score)}"
    )
    if has:
        value = score[spec.metric]
        faults.ensure(low <= value <= high, f"score {when}: {spec.metric} is {value:g}, metric_range is {low:g} to {high:g}")
    wanted_tasks, given = {f"task/{task}" for task in tasks}, {name for name in score if name.startswith("task/")}
    faults.ensure(given >= wanted_tasks, f"score {when}: score() lacks {', '.join(sorted(wanted_tasks - given))}")
    faults.ensure(
        given <= wanted_tasks,
        f"score {when}: score() has {', '.join(sorted(given - wanted_tasks))}, which the episode does not ask for",
    )


def env_is_deterministic(cls: type[Simulator], config: Any = None) -> None:
    """The seed decides the episode, whatever was simulated before."""
    env = _simulator(cls, config)
    try:
        first = _play(env, 1)
        _play(env, 2)
        _same(first, _play(env, 1), "the same seed played differently after another episode")
    finally:
        env.close()


def env_leaves_global_randomness_alone(cls: type[Simulator], config: Any = None) -> None:
    """No global generator is read or moved: numpy's, torch's or Python's own."""
    env = _simulator(cls, config)
    try:
        _seed_globally(1)
        before = _global_state()
        one = _play(env, 1)
        ensure(_global_state() == before, "a global generator moved")
        _seed_globally(2)
        _same(one, _play(env, 1), "a global generator matters: the same seed played differently")
    finally:
        env.close()


def env_expert_acts(cls: type[Simulator], config: Any = None) -> None:
    """The expert, if there is one, gives actions of the right size and improves the score, the same for the same seed."""
    if not cls.has_expert():
        return
    env = _simulator(cls, config)
    try:
        spec = cls.spec(env.config)
        played = []
        for _ in range(2):
            env.reset(seed("conformance", 3))
            before = env.score()[spec.metric]
            actions = list(_perform(env))
            sizes = {action.shape for action in actions}
            ensure(sizes == {(spec.action_dim,)}, f"expert actions have shapes {sizes}, promised is ({spec.action_dim},)")
            ensure(
                env.score()[spec.metric] > before,
                f"the expert did not raise {spec.metric} above {before:g}, its value at step 0",
            )
            played.append(np.stack(actions))
        ensure(np.array_equal(played[0], played[1]), "the expert acted differently under the same seed")
    finally:
        env.close()


def env_expert_of_any_state(cls: type[Simulator], config: Any = None) -> None:
    """An expert that is said to act on the present state alone has no memory: one that was just made would do the same."""
    if not cls.expert_of_any_state:
        return
    env = _simulator(cls, config)
    try:
        spec = cls.spec(env.config)
        env.reset(seed("conformance", 8))
        expert, rng = env.expert(seed("conformance", 4)), numpy_rng("conformance", "detour")
        for number in range(spec.max_steps // 2):
            action, other = expert.act(), env.expert(seed("conformance", 4)).act()
            if action is None or other is None:
                raise AssertionError(f"step {number}: it ended, so a state has no label")
            ensure(np.array_equal(action, other), f"step {number}: a new expert would act differently")
            own = number % 4 < 2  # and in between somebody else acts
            env.step(np.asarray(action if own else rng.uniform(spec.action_low, spec.action_high), np.float32))
    finally:
        env.close()


def env_tasks(cls: type[Simulator], config: Any = None) -> None:
    """The seed names the task that an episode asks for, and what is once done stays done."""
    env = _simulator(cls, config)
    try:
        spec, asked = cls.spec(env.config), [cls.task(env.config, number) for number in range(20)]
        ensure(asked == [cls.task(env.config, number) for number in range(20)], "the same seed asks for another task")
        ensure(all(task is None or task in spec.tasks for task in asked), "a task that the spec does not name")
        number = seed("conformance", 3)
        env.reset(number)
        done = dict.fromkeys(_counted(env, spec, number), 0.0)
        for _ in _perform(env):
            score = env.score()
            ensure(all(score[f"task/{task}"] >= before for task, before in done.items()), "a task was undone")
            done = {task: score[f"task/{task}"] for task in done}
    finally:
        env.close()


def env_demonstrations(cls: type[Simulator], config: Any = None) -> None:
    """Demonstrations reach the expert's target, and are the same however many workers record them."""
    if not cls.has_expert():
        return
    config = _config(cls, config)
    spec, seeds = cls.spec(config), [seed("conformance", number) for number in (5, 6)]
    one, two = (list(demonstrate(cls, config, seeds, workers=workers, timeout=120)) for workers in (1, 2))
    for a, b in zip(one, two, strict=True):
        reached = a.info["score"][spec.metric]
        ensure(reached >= spec.expert_target, f"the expert reached {reached:.2f} of {spec.expert_target}")
        pairs = ((a.frames, b.frames), (a.actions, b.actions), (a.states, b.states), (a.proprio, b.proprio))
        ensure(all(np.array_equal(x, y) for x, y in pairs), "one worker and two recorded different episodes")


def env_close(cls: type[Simulator], config: Any = None) -> None:
    """Closing frees what was opened: no process stays behind, and no file."""
    own = psutil.Process()
    left = []
    for _ in range(3):  # the first may load libraries that stay
        env = _simulator(cls, config)
        env.reset(seed("conformance", 7))
        env.render()
        env.close()
        del env
        gc.collect()
        left.append((len(own.children(recursive=True)), own.num_fds()))
    grew = any(now > before for before, now in zip(left[1], left[2], strict=True))  # those of others may end meanwhile
    ensure(not grew, f"processes and open files grew from {left[1]} to {left[2]}")


def _with_example(check: Callable[[type[Dataset], Any], None]) -> Callable[..., None]:
    def run(cls: type[Dataset], config: Any = None) -> None:
        with tempfile.TemporaryDirectory() as folder:
            config = replace(_config(cls, config), **cls.example(Path(folder)))
            if reason := cls.unavailable_reason(config):
                raise Unavailable(reason)
            check(cls, config)

    run.__doc__, run.__name__ = check.__doc__, check.__name__
    return run


@_with_example
def dataset_sources(cls: type[Dataset], config: Any) -> None:
    """Its demonstrations are recorded ones, named among its sources."""
    ensure(config.demonstrations in cls.sources, f"'{config.demonstrations}' is none of its sources: {', '.join(cls.sources)}")
    ensure("scripted" not in cls.sources, "a data set has no expert that could follow a script")


@_with_example
def dataset_demonstrations(cls: type[Dataset], config: Any) -> None:
    """Demonstrations have the declared sizes and types, lie within the action bounds and ask for tasks of the spec."""
    spec, side = cls.spec(config), config.resolution
    widths = {"actions": spec.action_dim, "states": spec.state_dim, "proprio": spec.proprio_dim}
    episodes = list(cls.import_demonstrations(config))
    ensure(len(episodes) >= 2, f"{len(episodes)} demonstrations: there must be one to train on and one to hold out")
    parts = [part.episodes for part in cls.parts(config)]
    ensure(sum(parts) in (0, len(episodes)), f"its parts have {parts} episodes, and there are {len(episodes)}")
    for number, episode in enumerate(episodes):
        check_episode(episode, (len(episode.actions), len(spec.views), side, side, 3), widths, f"demonstration {number}")
        inside = (episode.actions >= spec.action_low) & (episode.actions <= spec.action_high)
        ensure(bool(inside.all()), f"demonstration {number} leaves the action bounds")
        task = episode.info.get("task")
        ensure(not spec.tasks or task in spec.tasks, f"demonstration {number} does '{task}', which the spec does not name")


@_with_example
def dataset_is_deterministic(cls: type[Dataset], config: Any) -> None:
    """Demonstrations come in the same order with the same content every time, whatever the global generators hold."""
    _seed_globally(1)
    before = _global_state()
    one = list(cls.import_demonstrations(config))
    ensure(_global_state() == before, "a global generator moved")
    _seed_globally(2)
    two = list(cls.import_demonstrations(config))
    ensure(len(one) == len(two), f"{len(one)} demonstrations, then {len(two)}")
    for a, b in zip(one, two, strict=True):
        pairs = ((a.frames, b.frames), (a.actions, b.actions), (a.states, b.states), (a.proprio, b.proprio))
        ensure(all(np.array_equal(x, y) for x, y in pairs) and a.info == b.info, "the second reading gave another content")


def _perform(env: Simulator) -> Iterator[np.ndarray]:
    """The expert's actions, each after it was taken; without an expert, any."""
    spec = env.spec(env.config)
    if not env.has_expert():
        rng = numpy_rng("conformance", "without an expert")
        for _ in range(spec.max_steps):
            drawn = rng.uniform(spec.action_low, spec.action_high).astype(np.float32)
            over = env.step(drawn)
            yield drawn
            if over:
                return
        return
    expert = env.expert(seed("conformance", 4))
    for _ in range(spec.max_steps):
        if (action := expert.act()) is None:
            return
        over = env.step(np.clip(expert.executed(action), spec.action_low, spec.action_high).astype(np.float32))
        yield np.asarray(action)
        if over:
            return


def _same(one: tuple[np.ndarray, ...], two: tuple[np.ndarray, ...], what: str) -> None:
    """Of two episodes as `_play` gives them; all that differ are named, the states with the first step."""
    with Faults() as faults:
        for name, a, b in zip(("states", "frames", "proprio", "score"), one, two, strict=True):
            if np.array_equal(a, b):
                continue
            where = f" from step {int(np.flatnonzero((a != b).any(axis=1))[0])} on" if name == "states" else " at the end"
            faults.ensure(False, f"{what}: {name} differ{where}")


def _seed_globally(number: int) -> None:
    np.random.seed(number)  # noqa: NPY002
    torch.manual_seed(number)
    random.seed(number)


def _global_state() -> tuple[str, bytes, str]:
    return repr(np.random.get_state()), torch.get_rng_state().numpy().tobytes(), repr(random.getstate())  # noqa: NPY002


def _play(env: Simulator, number: int, steps: int = 12) -> tuple[np.ndarray, ...]:
    spec = env.spec(env.config)
    env.reset(evaluation_seed("conformance", number))
    rng = numpy_rng("conformance", "actions", number)
    states, low, high = [env.state()], np.array(spec.action_low), np.array(spec.action_high)
    for _ in range(steps):
        env.step(rng.uniform(low, high).astype(np.float32))
        states.append(env.state())
    return np.stack(states), env.render(), env.proprio(), np.array(list(env.score().values()))


DATASET_PROMISES = (env_presets, dataset_sources, dataset_demonstrations, dataset_is_deterministic)
SIMULATOR_PROMISES = (
    env_presets,
    env_observations,
    env_is_deterministic,
    env_leaves_global_randomness_alone,
    env_expert_acts,
    env_expert_of_any_state,
    env_tasks,
    env_demonstrations,
    env_close,
)
