"""What `list` and `doctor` say about everything that can be named."""

from __future__ import annotations

from typing import Any

from benchmark import registry
from benchmark.planning.config.compose import BUDGETS, compose_config
from benchmark.planning.config.schema import PRESETS
from benchmark.planning.variants import variants_of


def methods() -> list[dict[str, Any]]:
    rows = []
    for name in registry.methods().names():
        cls = registry.methods().get(name)
        spec = cls.batch_spec(cls.Config())
        eats = [f"{spec.window} frames" if spec.window > 1 else "frames"] if cls.learns else []
        eats += [f"{spec.min_views} views"] * (spec.min_views > 1) + ["actions"] * spec.actions + ["proprio"] * spec.proprio
        rows.append(
            {
                "name": name,
                "eats": "state (privileged)" if cls.privileged else ", ".join(eats) or "nothing",
                "source": cls.source,
                "missing": cls.unavailable_reason(cls.Config()),
            }
        )
    return rows


def policies() -> list[dict[str, Any]]:
    return [{"name": name, "source": registry.policies().get(name).source} for name in registry.policies().names()]


def envs() -> list[dict[str, Any]]:
    rows = []
    for name in registry.envs().names():
        cls = registry.envs().get(name)
        spec = cls.spec(cls.Config())
        rows.append(
            {
                "name": name,
                "views": ", ".join(spec.views),
                "steps": spec.max_steps,
                "metric": f"{spec.metric} {spec.metric_range[0]:g} to {spec.metric_range[1]:g}",
                "demonstrations": ", ".join(cls.sources),
                "source": cls.source,
                "missing": cls.unavailable_reason(cls.Config()),
            }
        )
    return rows


def presets() -> list[dict[str, Any]]:
    rows = []
    for preset in PRESETS:
        config = compose_config("kitchen", preset=preset)
        budget = ", ".join(f"{v} {unit}" for unit in BUDGETS["pretrain"] if (v := getattr(config.pretrain, unit)))
        rows.append({"name": preset, "pretrain": budget or "each method's epochs", "episodes": config.rollout.episodes})
    return rows


def ablations() -> list[dict[str, Any]]:
    known = registry.methods()
    return [
        {"name": f"{name}:{variant}", "sets": ", ".join(f"{k}={v:g}" if k == "lr" else f"{k}={v}" for k, v in values.items())}
        for name in known.names()
        for variant, values in variants_of(known.get(name), known.get(name).Config()).items()
    ]


LISTS = {"methods": methods, "policies": policies, "envs": envs, "presets": presets, "ablations": ablations}
