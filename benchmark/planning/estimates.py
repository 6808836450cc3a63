"""How long a plan will take and how much disk and memory it will need, from what this store has seen.

Time is work divided by rate. The rate of a stage is taken from finished stages of the same kind and component on the same kind
of machine in this store, else of the same kind there, else from other machines, else from rough defaults for two cores.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmark import registry
from benchmark.contracts.environment import EnvConfig, Environment
from benchmark.core.errors import BenchmarkError
from benchmark.core.provenance import provenance
from benchmark.core.typed import from_json
from benchmark.planning.graph import Stage
from benchmark.planning.memory import peak
from benchmark.stages.params import collect, demos, embed, fit, pretrain, probe, rollout, tokenize, video, visualize
from benchmark.storage.artifacts import KINDS, Store
from benchmark.storage.manifests import Manifest, Ref

# Guesses until this store knows better, in seconds per unit of work on two cores: simulator steps with a rendered frame,
# training frames, embedded frames, probes, frames with actions, policy samples, the same with an encoder that learns,
# evaluation steps, encoders looked at, cells played again.
DEFAULT_RATES = {
    "demos": 1 / 100,
    "collect": 1 / 100,
    "pretrain": 1 / 600,
    "embed": 1 / 2000,
    "probe": 3.0,
    "tokenize": 1 / 5000,
    "fit": 1 / 10000,
    "joint": 1 / 600,
    "rollout": 1 / 100,
    "visualize": 5.0,
    "video": 20.0,
}
PARAMS: dict[str, type] = {
    "collect": collect.Params,  # before those of demonstrations, of which it is a kind
    "demos": demos.Params,
    "pretrain": pretrain.Params,
    "embed": embed.Params,
    "probe": probe.Params,
    "tokenize": tokenize.Params,
    "fit": fit.Params,
    "rollout": rollout.Params,
    "visualize": visualize.Params,
    "video": video.Params,
}
BYTES_PER_WEIGHT = 4
SEED = re.compile(r" · seed \d+")


@dataclass(frozen=True)
class Estimate:
    seconds: float
    bytes: float  # of disk
    memory: float = 0.0  # bytes at the peak
    guessed: tuple[str, ...] = ()  # the kinds of work whose time is a guess: nothing of the kind was ever measured here


@dataclass(frozen=True)
class Size:
    """Of the demonstrations that a stage works on."""

    frames: float
    max_steps: int
    views: int


def estimate(stages: Mapping[str, Stage], store: Store) -> dict[str, Estimate]:
    """For each stage of a plan that is not cached. Those whose labels differ in the training seed alone cost the same."""
    todo = {key: stage for key, stage in stages.items() if not store.has(stage.kind, key)}
    if not todo:
        return {}  # rates are read off every manifest of the store
    rates = _Rates(store)
    sizes = {key: _size(stage.params, stage.ref, store) for key, stage in stages.items() if stage.kind in ("demos", "collect")}
    estimates = {}
    alike: dict[tuple[str, Size], Estimate] = {}
    for key, stage in todo.items():
        size = sizes[key] if key in sizes else sizes[stage.inputs["demos"].key]
        name = SEED.sub("", stage.label), size
        if name not in alike:
            units, (rate, guessed) = work(stage.params, size), rates.of(stage.params)
            memory = peak(stage, stages, size.frames, size.max_steps)
            alike[name] = Estimate(units * rate, _disk(stage, stages, size), memory, guessed if units else ())
        estimates[key] = alike[name]
    return estimates


def work(params: Any, size: Size) -> float:
    """The amount of work of a stage in the unit its rate is given in."""
    match params:
        case collect.Params():
            return params.episodes * size.max_steps
        case demos.Params() | embed.Params() | tokenize.Params():
            return size.frames
        case pretrain.Params(learning=pretrain.Learning(budget=budget)):
            cls = registry.methods().get(params.method)
            config: Any = from_json(cls.Config, params.config)
            images = cls.batch_spec(config).window * size.views
            if budget.steps is not None:
                return budget.steps * config.batch_size * images
            return budget.frames or (budget.epochs or config.epochs) * size.frames * images
        case pretrain.Params():
            return 0.0
        case fit.Params():
            policy = registry.policies().get(params.policy)
            settings: Any = from_json(policy.Config, params.config)
            if params.budget is None or not policy.learns:
                return 0.0
            if params.budget.steps:
                return params.budget.steps * (params.joint.batch if params.joint else settings.batch_size)
            return (params.budget.epochs or settings.epochs) * size.frames
        case rollout.Params():
            return params.episodes * size.max_steps
    return 1.0


class _Rates:
    """Seconds per unit of work, by machine, kind and component."""

    def __init__(self, store: Store):
        rates: dict[tuple[str, ...], list[float]] = defaultdict(list)
        sizes: dict[Ref, Size] = {}
        for kind in KINDS:
            for key in store.keys(kind):
                try:
                    manifest = store.manifest(kind, key)
                    params: Any = manifest.params_as(PARAMS[kind])
                    source = Ref(kind, key) if kind == "demos" else manifest.input("demos")
                    if source not in sizes:  # thousands of stages are made from the same few
                        read = store.manifest(source.kind, source.key)
                        sizes[source] = _measured(read.params_as(PARAMS[source.kind]), read)
                    units = work(params, sizes[source])
                except (BenchmarkError, LookupError, TypeError):
                    continue  # of another version: a component, a field or a budget that this one does not know
                if units:
                    for name in _names(params, _machine(manifest.provenance)):
                        rates[name].append(manifest.wall_seconds / units)
        self._median = {name: median(values) for name, values in rates.items()}
        self._here = _machine(provenance())

    def of(self, params: Any) -> tuple[float, tuple[str, ...]]:
        """And what had to be guessed."""
        kind, measured = _rate_name(params), (self._median.get(name) for name in _names(params, self._here))
        rate = next(filter(None, measured), None)
        return (DEFAULT_RATES[kind], (kind,)) if rate is None else (rate, ())


def _names(params: Any, machine: str) -> list[tuple[str, ...]]:
    """What a rate is looked up under, the nearest first: the component on this kind of machine, others here, it elsewhere."""
    rate, component = _rate_name(params), _component(params)
    return [(machine, rate, component), (machine, rate, "*"), ("*", rate, component), ("*", rate, "*")]


def _machine(origin: Mapping[str, Any]) -> str:
    return f"{origin.get('processor')}, {origin.get('gpu')}"


def _rate_name(params: Any) -> str:
    """What kind of work a stage is: fitting a policy costs another rate where the encoder learns, too."""
    if isinstance(params, fit.Params) and params.joint:
        return "joint"
    return next(kind for kind, cls in PARAMS.items() if isinstance(params, cls))


def _component(params: Any) -> str:
    names = {demos.Params: "env", pretrain.Params: "method", tokenize.Params: "policy", fit.Params: "policy"}
    return str(getattr(params, names[type(params)])) if type(params) in names else ""


def _size(params: demos.Params, ref: Ref, store: Store) -> Size:
    """Exact if the demonstrations exist, otherwise as many frames as the time limit allows."""
    if store.has(ref.kind, ref.key):
        return _measured(params, store.manifest(ref.kind, ref.key))
    cls, config = _environment(params)
    spec, episodes = cls.spec(config), config.episodes
    if isinstance(params, collect.Params):
        episodes = min(params.most, episodes + params.round * params.episodes)
    return Size(episodes * spec.max_steps, spec.max_steps, len(spec.views))


def _measured(params: demos.Params, manifest: Manifest) -> Size:
    cls, config = _environment(params)
    summary: demos.Summary = manifest.summary_as(collect.Summary if manifest.kind == "collect" else demos.Summary)
    spec = cls.spec(config)
    return Size(summary.frames, spec.max_steps, len(spec.views))


def _environment(params: demos.Params) -> tuple[type[Environment], EnvConfig]:
    cls = registry.envs().get(params.env)
    return cls, from_json(cls.Config, params.config)


def _disk(stage: Stage, stages: Mapping[str, Stage], size: Size) -> float:
    if isinstance(stage.params, demos.Params):
        _, config = _environment(stage.params)
        # twice: finished episodes are kept until the artifact is whole
        return 2 * size.frames * size.views * config.resolution**2 * 3
    trained = stages[stage.inputs["encoder"].key] if "encoder" in stage.inputs else stage
    width = trained.params.config["width"] if isinstance(trained.params, pretrain.Params) else 64
    if isinstance(stage.params, pretrain.Params) and not registry.methods().get(stage.params.method).privileged:
        copies = 2 * 3 if stage.params.learning else 1  # a ResNet-18's weights; while training two checkpoints, with moments
        return copies * 11.2e6 * (width / 64) ** 2 * BYTES_PER_WEIGHT
    match stage.kind:
        case "embed":
            return size.frames * 8 * width * 2
    return 1e6
