"""How long a plan will take and how much disk it will need, from what this store has seen.

Time is work divided by rate. The rate of a stage is taken from finished stages of the same kind and component in this store,
else of the same kind, else from rough defaults for a two-core processor.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmark import registry
from benchmark.core.errors import BenchmarkError
from benchmark.planning.graph import Stage
from benchmark.storage.artifacts import KINDS, Store

# Guesses until this store knows better, in seconds per unit of work on two cores: simulator steps with a rendered frame,
# training frames, embedded frames, probes, policy samples, the same with an encoder that learns, evaluation steps.
DEFAULT_RATES = {
    "demos": 1 / 100,
    "pretrain": 1 / 600,
    "embed": 1 / 2000,
    "probe": 3.0,
    "fit": 1 / 10000,
    "tuned": 1 / 600,
    "rollout": 1 / 100,
}
BYTES_PER_WEIGHT = 4


@dataclass(frozen=True)
class Estimate:
    seconds: float
    bytes: float


def estimate(stages: Mapping[str, Stage], store: Store) -> dict[str, Estimate]:
    """For each stage that is not cached."""
    rates = _Rates(store)
    frames = {key: _frames(stage, store) for key, stage in stages.items() if stage.kind == "demos"}
    todo = {key: stage for key, stage in stages.items() if not store.has(stage.kind, key)}
    return {
        key: Estimate(
            work(stage, frames.get(stage.inputs.get("demos", key), 0.0)) * rates.of(stage),
            _disk(stage, stages, frames.get(stage.inputs.get("demos", key), 0.0)),
        )
        for key, stage in todo.items()
    }


def work(stage: Stage, frames: float) -> float:
    """The amount of work of a stage in the unit its rate is given in; `frames` is the size of the demonstrations."""
    params = stage.params
    match stage.kind:
        case "demos" | "embed":
            return frames
        case "pretrain":
            cls = registry.methods().get(params["method"])
            if not cls.learns:
                return 0.0
            config, budget = params["config"], params["budget"]
            window = cls.batch_spec(cls.Config(**config)).window
            if budget["steps"] is not None:
                return budget["steps"] * config["batch_size"] * window
            return budget["frames"] or (budget["epochs"] or config["epochs"]) * frames * window
        case "fit":
            config, budget = params["config"], params["budget"]
            if not registry.policies().get(params["policy"]).learns:
                return 0.0
            return (
                budget["steps"] * params.get("tuned", {}).get("batch", config["batch_size"])
                if budget["steps"]
                else (budget["epochs"] or config["epochs"]) * frames
            )
        case "rollout":
            return params["episodes"] * _max_steps(params["env"], params["env_config"])
    return 1.0


class _Rates:
    """Seconds per unit of work, by kind and component and by kind."""

    def __init__(self, store: Store):
        seen: dict[tuple[str, ...], list[float]] = defaultdict(list)
        for kind in KINDS:
            for key in store.keys(kind):
                manifest = store.manifest(kind, key)
                stage = Stage(kind, key, "", manifest["params"], manifest["inputs"])
                demos = manifest["inputs"].get("demos")
                frames = store.manifest("demos", demos)["summary"]["frames"] if demos and store.has("demos", demos) else 0
                try:
                    units = work(stage, manifest["summary"].get("frames", frames) if kind == "demos" else frames)
                except (BenchmarkError, LookupError, TypeError):
                    continue  # of another version: a component, a field or a budget that this one does not know
                if units:
                    rate = manifest["wall_seconds"] / units
                    seen[_rate_name(stage), _component(stage)].append(rate)
                    seen[_rate_name(stage),].append(rate)
        self._median = {name: median(values) for name, values in seen.items()}

    def of(self, stage: Stage) -> float:
        by_component = self._median.get((_rate_name(stage), _component(stage)))
        return by_component or self._median.get((_rate_name(stage),)) or DEFAULT_RATES[_rate_name(stage)]


def _rate_name(stage: Stage) -> str:
    """What kind of work a stage is: fitting a policy costs another rate where the encoder learns, too."""
    return "tuned" if "tuned" in stage.params else stage.kind


def _component(stage: Stage) -> str:
    return str(stage.params.get("method") or stage.params.get("policy") or stage.params.get("env") or "")


def _frames(stage: Stage, store: Store) -> float:
    """Exact if the demonstrations exist, otherwise as many as the time limit allows."""
    if store.has("demos", stage.key):
        return store.manifest("demos", stage.key)["summary"]["frames"]
    return stage.params["config"]["episodes"] * _max_steps(stage.params["env"], stage.params["config"])


def _max_steps(env: str, config: dict[str, Any]) -> int:
    cls = registry.envs().get(env)
    return cls.spec(cls.Config(**config)).max_steps


def _disk(stage: Stage, stages: Mapping[str, Stage], frames: float) -> float:
    if stage.kind == "demos":
        cls = registry.envs().get(stage.params["env"])
        config = cls.Config(**stage.params["config"])
        # twice: finished episodes are kept beside until the artifact is whole
        return 2 * frames * len(cls.spec(config).views) * config.resolution**2 * 3
    width = 64
    if "pretrain" in stage.inputs or stage.kind == "pretrain":
        config = (stage if stage.kind == "pretrain" else stages[stage.inputs["pretrain"]]).params["config"]
        width = config["width"]
    if stage.kind == "pretrain":
        return 3 * 11.2e6 * (width / 64) ** 2 * BYTES_PER_WEIGHT  # ResNet-18 weights and two moments while training
    if stage.kind == "embed":
        return frames * 8 * width * 2
    return 1e6
