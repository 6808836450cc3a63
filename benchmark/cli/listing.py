"""What `list` and `doctor` say about everything that can be named."""

from __future__ import annotations

from typing import Any

from benchmark import registry
from benchmark.planning.config.compose import BUDGETS, compose_config, method_variants
from benchmark.planning.config.schema import PRESETS


def methods() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for name in registry.methods().names():
        if problem := registry.methods().problem(name):
            rows.append({"name": name, "eats": "", "source": registry.methods().where(name), "missing": problem})
            continue
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
    known = registry.policies()
    problems = {name: known.problem(name) for name in known.names()}
    return [
        {"name": name, "source": known.where(name) if problem else known.get(name).source, "missing": problem}
        for name, problem in problems.items()
    ]


def envs() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for name in registry.envs().names():
        if problem := registry.envs().problem(name):
            empty = dict.fromkeys(("views", "steps", "metric", "demonstrations"), "")
            rows.append({"name": name, **empty, "source": registry.envs().where(name), "missing": problem})
            continue
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
    rows: list[dict[str, Any]] = []
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
        if known.problem(name) is None
        for variant, values in method_variants(known.get(name), known.get(name).Config()).items()
    ]


LISTS = {"methods": methods, "policies": policies, "envs": envs, "presets": presets, "ablations": ablations}
