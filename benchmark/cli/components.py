"""What `list` and `doctor` say about everything that can be named. What cannot be imported is one row with the reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from benchmark import registry
from benchmark.contracts.presets import PRESETS, component_config
from benchmark.planning.config.compose import BUDGETS, compose_config
from benchmark.planning.recipes import defaults
from benchmark.planning.request import Request
from benchmark.planning.variants import variants_of
from benchmark.registry import Registry

Rows = list[dict[str, Any]]


def methods() -> Rows:
    def values(cls: Any) -> Sequence[Any]:
        spec = cls.batch_spec(cls.Config())
        eats = [f"{spec.window} frames" if spec.window > 1 else "frames"] if cls.learns else []
        eats += [f"{spec.min_views} views"] * (spec.min_views > 1) + ["actions"] * spec.actions + ["proprio"] * spec.proprio
        inputs = "state (privileged)" if cls.privileged else ", ".join(eats) or "nothing"
        # of an addressed one nothing can be missing before an address is given
        return inputs, cls.source, None if cls.addressed else cls.unavailable_reason(cls.Config())

    return _rows(registry.methods(), ("eats", "source"), values)


def policies() -> Rows:
    return _rows(registry.policies(), ("source",), lambda cls: (cls.source, None))


def envs() -> Rows:
    def values(cls: Any) -> Sequence[Any]:
        spec = cls.spec(cls.Config())
        metric = f"{spec.metric} {spec.metric_range[0]:g} to {spec.metric_range[1]:g}"
        reason = cls.unavailable_reason(cls.Config())
        return ", ".join(spec.views), spec.max_steps, metric, ", ".join(cls.sources), cls.source, reason

    return _rows(registry.envs(), ("views", "steps", "metric", "demonstrations", "source"), values)


def presets() -> Rows:
    rows = []
    for preset in PRESETS:
        config = compose_config(defaults()["envs"][0], preset=preset)
        budget = ", ".join(f"{v} {unit}" for unit in BUDGETS["pretrain"] if (v := getattr(config.pretrain, unit)))
        rows.append({"name": preset, "pretrain": budget or "each method's epochs", "episodes": config.rollout.episodes})
    return rows


def ablations() -> Rows:
    rows: Rows = []
    for name in registry.methods().names():
        if registry.methods().problem(name):
            continue  # which variants it has is unknown; `list methods` says why
        cls = registry.methods().get(name)
        config = component_config(cls, Request.preset, "")
        for variant, values in variants_of(cls, config).items():
            changed = {k: (v, getattr(config, k)) for k, v in values.items() if getattr(config, k) != v}
            sets = ", ".join(f"{k}={_short(new)} instead of {_short(old)}" for k, (new, old) in changed.items())
            rows.append({"name": f"{name}:{'ADDRESS@' * cls.addressed}{variant}", f"in {Request.preset} it sets": sets})
    return rows


LISTS = {"methods": methods, "policies": policies, "envs": envs, "presets": presets, "ablations": ablations}


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _rows(kind: Registry[Any], columns: Sequence[str], values: Callable[[Any], Sequence[Any]]) -> Rows:
    """A row per name; `values` gives the columns and what is missing. Of a broken component there is only the last."""
    rows = []
    for name in kind.names():
        row, problem = None, kind.problem(name)
        if not problem:
            try:
                row = values(kind.get(name))
            except Exception as error:  # of somebody's own component: it hurts its own row and nothing else
                problem = f"{type(error).__name__}: {' '.join(str(error).split())}"
        rows.append(dict(zip(("name", *columns, "missing"), (name, *(row or (*[None] * len(columns), problem))), strict=True)))
    return rows
