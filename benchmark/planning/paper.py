"""The recipe of the DynaMo paper, and where a cell departs from it.

`--preset paper` without any override is its one definition. A number may be held against a published one only where nothing
departs from that; who demonstrated is judged apart, because no preset can bring human demonstrations along.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

from benchmark import registry
from benchmark.contracts.presets import component_config
from benchmark.core.typed import to_json
from benchmark.planning.config.compose import BUDGETS, compose_config
from benchmark.planning.config.schema import Config
from benchmark.planning.graph import CellId, Plan
from benchmark.planning.variants import is_finetuned, with_variant

# How it runs, what is told as a budget, and who demonstrated, which is compared with the printed number's
APART = {
    *(f"{stage}.{unit}" for stage, units in BUDGETS.items() for unit in (*units, "checkpoint_every")),
    *("rollout.timeout", "rollout.slots", "method.epochs", "policy.epochs", "env.demonstrations"),
}


def paper_configs(plan: Plan) -> dict[str, Config]:
    """Per environment of a plan, what its methods and policies would be under the paper's preset."""
    return {env: _paper_config(env, config) for env, config in plan.configs.items()}


def _paper_config(env: str, ours: Config) -> Config:
    """Components come from their presets: nothing overrides them, and Hydra takes a while to say so."""
    return replace(
        compose_config(env, preset="paper"),
        method={name: component_config(registry.methods().get(name), "paper", env) for name in ours.method},
        policy={name: component_config(registry.policies().get(name), "paper", env) for name in ours.policy},
    )


def departures(cell: CellId, ours: Config, paper: Config) -> tuple[str, ...]:
    """`fit.steps=5000 (paper: 5000 epochs)`, one for each setting of a cell that is not the paper's."""
    return tuple(f"{ours} (paper: {theirs})" for ours, theirs in _differing(cell, ours, paper))


def _differing(cell: CellId, ours: Config, paper: Config) -> Iterator[tuple[str, str]]:
    method, policy = registry.methods().get(cell.method), registry.policies().get(cell.policy)
    joint = method.joint or is_finetuned(cell.variant)
    mine, theirs = (with_variant(method, config.method[cell.method], cell.variant, cell.env) for config in (ours, paper))
    parts: list[tuple[str, Any, Any]] = [("embed", ours.embed, paper.embed), ("split", ours.split, paper.split)]
    if method.learns:
        yield from _budget("pretrain", (ours.pretrain, mine), (paper.pretrain, theirs))
        parts += [("pretrain", ours.pretrain, paper.pretrain)]
    if policy.learns:
        yield from _budget("fit", (ours.fit, ours.policy[cell.policy]), (paper.fit, paper.policy[cell.policy]))
    parts += [("fit", ours.fit, paper.fit)]
    parts += [("joint", ours.joint, paper.joint)] if joint else []
    parts += [("shift", ours.shift, paper.shift), ("rollout", ours.rollout, paper.rollout)]
    parts += [(f"method.{cell.method}", mine, theirs)]
    parts += [(f"policy.{cell.policy}", ours.policy[cell.policy], paper.policy[cell.policy])]
    parts += [(f"env.{cell.env}", ours.env[cell.env], paper.env[cell.env])]
    for path, own, published in parts:
        yield from _settings(path, own, published)


def _settings(path: str, ours: Any, paper: Any) -> Iterator[tuple[str, str]]:
    for field in fields(ours):
        own, published = getattr(ours, field.name), getattr(paper, field.name)
        if f"{path.partition('.')[0]}.{field.name}" in APART or field.name in getattr(ours, "locations", ()):
            continue
        if is_dataclass(own):
            yield from _settings(f"{path}.{field.name}", own, published)
        elif to_json(own) != to_json(published):  # what Hydra has composed holds lists for tuples
            yield f"{path}.{field.name}={_text(own)}", _text(published)


def _budget(stage: str, ours: tuple[Any, Any], paper: tuple[Any, Any]) -> Iterator[tuple[str, str]]:
    """Whatever the unit; where none is given, the epochs of the component."""
    (own, amount), (unit, published) = _amount(stage, *ours), _amount(stage, *paper)
    if (own, amount) != (unit, published):
        yield f"{stage}.{own}={_text(amount)}", f"{_text(published)} {unit}"


def _amount(stage: str, settings: Any, component: Any) -> tuple[str, float]:
    given = {unit: value for unit in BUDGETS[stage] if (value := getattr(settings, unit)) is not None}
    return next(iter(given.items()), ("epochs", component.epochs))


def _text(value: Any) -> str:
    if value is None:
        return "null"
    return f"{value:g}" if isinstance(value, float) else str(to_json(value))
