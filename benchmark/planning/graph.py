"""Matrix -> graph of stages with content-hashed keys. Nothing is computed here and no simulator or network is built.

A cell is method x variant x environment x policy x seed. Its stages form a chain; stages that several cells need have the same
key and therefore exist once: one set of demonstrations feeds all methods, one pretraining feeds all policies and probes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmark import registry
from benchmark.contracts.environment import Environment
from benchmark.contracts.method import Method
from benchmark.contracts.policy import Policy
from benchmark.core.errors import BenchmarkError
from benchmark.core.machine import resolve_device, resolve_precision
from benchmark.models import weights
from benchmark.models.imagenet import RESNET18_IMAGENET
from benchmark.planning.config.compose import TUNED, as_params, compose_config, method_variants, variant_config
from benchmark.planning.config.schema import Config
from benchmark.planning.keys import fingerprint
from benchmark.storage.artifacts import key_of


@dataclass(frozen=True)
class Stage:
    """A step of a cell: a function of `params` and of the artifacts in `inputs` (kind -> key)."""

    kind: str
    key: str
    label: str
    params: dict[str, Any]
    inputs: dict[str, str]


@dataclass
class Cell:
    """One number of the table, and the stages it comes from (kind -> key)."""

    env: str
    method: str
    variant: str
    policy: str
    seed: int
    stages: dict[str, str] = field(default_factory=dict)
    missing: str | None = None  # why it cannot run here, with the command that fixes it

    @property
    def label(self) -> str:
        return f"{method_label(self.method, self.variant)} · {self.env} · {self.policy} · seed {self.seed}"


@dataclass
class Plan:
    preset: str
    cells: list[Cell]
    stages: dict[str, Stage]
    configs: dict[str, Config]  # per environment

    def to_json(self) -> dict[str, Any]:
        return {
            "preset": self.preset,
            "cells": [asdict(cell) for cell in self.cells],
            "stages": [asdict(stage) for stage in self.stages.values()],
        }


@dataclass(frozen=True)
class Request:
    """What the user asked for, in names."""

    methods: Sequence[str] = ("all",)  # "dynamo", "dynamo:no_forward", "dynamo:all" or "all"
    envs: Sequence[str] = ("kitchen",)
    policies: Sequence[str] = ("default",)
    seeds: int = 1
    preset: str = "quick"
    overrides: Sequence[str] = ()
    first_seed: int = 0

    @property
    def training_seeds(self) -> range:
        return range(self.first_seed, self.first_seed + self.seeds)


def method_label(method: str, variant: str) -> str:
    return f"{method}:{variant}" if variant else method


def make_plan(request: Request) -> Plan:
    """Validate everything a user can get wrong, then lay out the stages."""
    if request.seeds < 1:
        raise BenchmarkError(f"--seeds must be at least 1, not {request.seeds}")
    if request.first_seed < 0:
        raise BenchmarkError(f"--first-seed must not be negative, not {request.first_seed}")
    methods = expand_methods(request.methods)
    envs = _expand(request.envs, registry.envs())
    policies = _expand([DEFAULT_POLICY if p == "default" else p for p in request.policies], registry.policies())
    plan = Plan(request.preset, [], {}, {})
    for env in envs:
        plan.configs[env] = compose_config(
            env,
            preset=request.preset,
            methods=dict.fromkeys(m for m, _ in methods),
            policies=policies,
            envs=envs,
            overrides=request.overrides,
        )
    for env, config in plan.configs.items():
        builder = _Builder(plan, env, config)
        for method, variant in methods:
            for policy in policies:
                for seed in request.training_seeds:
                    plan.cells.append(builder.cell(method, variant, policy, seed))
    return plan


DEFAULT_POLICY = "vqbet"  # as in the paper


def expand_methods(names: Sequence[str]) -> list[tuple[str, str]]:
    """(method, variant) pairs in the order asked for, without repetitions."""
    pairs: list[tuple[str, str]] = []
    for name in names:
        method, _, variant = name.replace("-", "_").partition(":")
        if method == "all" and not variant:
            pairs += [(m, "") for m in registry.methods().names()]
            continue
        cls = registry.methods().get(method)
        if variant == "all":
            pairs += [(cls.name, ""), *((cls.name, v) for v in method_variants(cls, cls.Config()))]
        else:
            variant_config(cls, cls.Config(), variant)
            pairs.append((cls.name, variant))
    return list(dict.fromkeys(pairs))


def _expand(names: Sequence[str], known: registry.Registry[Any]) -> list[str]:
    chosen: list[str] = []
    for name in names:
        chosen += known.names() if name == "all" else [known.get(name).name]
    return list(dict.fromkeys(chosen))


def demos_stage(env: str, config: Config) -> Stage:
    """The demonstrations of an environment: also what `data make` builds."""
    cls = registry.envs().get(env)
    params = {"env": env, "config": as_params(config.env[env]), "shift": config.shift.train}
    return _stage("demos", f"demonstrations · {env}", params, {}, cls)


class _Builder:
    """Lays out the stages of one environment."""

    def __init__(self, plan: Plan, env: str, config: Config):
        self.plan, self.config = plan, config
        self.env: type[Environment] = registry.envs().get(env)
        self.env_config = config.env[env]
        self.missing = self.env.unavailable_reason(self.env_config)
        self.device = resolve_device(config.machine.device)

    def cell(self, method_name: str, variant: str, policy_name: str, seed: int) -> Cell:
        cell = Cell(self.env.name, method_name, variant, policy_name, seed)
        method = registry.methods().get(method_name)
        policy = registry.policies().get(policy_name)
        method_config = variant_config(method, self.config.method[method_name], variant)
        cell.missing = self.missing or method.unavailable_reason(method_config) or self._unfit(method, method_config, policy)
        if cell.missing is None:
            for stage in self._chain(method, method_config, policy, cell):
                self.plan.stages[stage.key] = stage
                cell.stages[stage.kind] = stage.key
        return cell

    def _unfit(self, method: type[Method], config: Any, policy: type[Policy]) -> str | None:
        views, needed = len(self.env.spec(self.env_config).views), method.batch_spec(config).min_views
        if views < needed:
            return f"needs {needed} views, {self.env.name} has {views}"
        if config.init == "imagenet" and (reason := weights.unavailable_reason(RESNET18_IMAGENET)):
            return reason
        if method.privileged and not self.env.spec(self.env_config).state_dim:
            return f"{self.env.name} has no state"
        if method.privileged and config.tuned:
            return f"{method.name} has no encoder to tune"
        if self.config.shift.evaluation != "none" and not self.env.simulated:
            return "shift.evaluation needs a simulator; shift.train shifts the recordings"
        if config.tuned and not policy.learns:
            return f"{policy.name} has no gradient that an encoder could be tuned by"
        return None

    def _chain(self, method: type[Method], method_config: Any, policy: type[Policy], cell: Cell) -> list[Stage]:
        config = self.config
        name = f"{method_label(cell.method, cell.variant)} · {cell.env}"
        encoder = f"{name} · seed {cell.seed}" if method.seeded else name
        demos = demos_stage(cell.env, config)
        split = {"held_out": config.split.held_out}
        precision = resolve_precision(config.pretrain.precision, self.device)
        tuned = method_config.tuned
        pretrain_params: dict[str, Any] = {
            "method": cell.method,
            "variant": "" if cell.variant == TUNED else cell.variant,  # which starts from the encoder of the plain row
            "config": {name: value for name, value in as_params(method_config).items() if name not in ("tuned", "tuned_lr")},
            "seed": cell.seed if method.seeded else 0,
        }
        if method.learns:
            budget = asdict(config.pretrain) | {"precision": precision}
            pretrain_params |= {"budget": budget, "split": split, "device": self.device}
        pretrain = _stage("pretrain", f"pretrain · {encoder}", pretrain_params, {"demos": demos.key}, method)
        both = {"demos": demos.key, "pretrain": pretrain.key}
        embed_params = {**asdict(config.embed), "device": self.device}
        embed = _stage("embed", f"embed · {encoder}", embed_params, both, method)
        features = {"demos": demos.key, "embed": embed.key}
        probe = _stage("probe", f"probe · {encoder}", {"split": split}, features)
        budget = asdict(config.fit)
        tuned_batch, goal = budget.pop("tuned_batch"), budget.pop("goal")
        fit_params = {
            "policy": cell.policy,
            "config": as_params(config.policy[cell.policy]),
            "budget": budget,
            "goal": goal,
            "split": {"held_out": config.split.held_out_from_policies or config.split.held_out},
            "seed": cell.seed,
            "device": self.device,
        }
        if tuned:
            fit_params["tuned"] = {"batch": tuned_batch, "lr": method_config.tuned_lr, "precision": precision}
            fit_params |= asdict(config.embed)
        fit_inputs = {**features, "pretrain": pretrain.key} if tuned else features
        learners = (policy, method) if tuned else (policy,)
        fit = _stage("fit", f"fit {cell.policy} · {name} · seed {cell.seed}", fit_params, fit_inputs, *learners)
        rollout_params = {
            "env": cell.env,
            "env_config": as_params(self.env_config),
            "seed": cell.seed,
            "shift": config.shift.evaluation,
            **{k: v for k, v in asdict(config.rollout).items() if k != "timeout"},
            **asdict(config.embed),
            "device": self.device,
        }
        rollout_inputs = {"demos": demos.key, "pretrain": pretrain.key, "fit": fit.key}
        rollout = _stage(
            "rollout", f"rollouts {cell.policy} · {name} · seed {cell.seed}", rollout_params, rollout_inputs, self.env
        )
        return [demos, pretrain, embed, probe, fit, rollout]


def _stage(kind: str, label: str, params: dict[str, Any], inputs: dict[str, str], *components: type) -> Stage:
    modules = [f"benchmark.stages.{kind}", *(component.__module__ for component in components)]
    key = key_of({"kind": kind, "params": params, "inputs": inputs, "code": fingerprint(*modules)})
    return Stage(kind, key, label, params, inputs)
