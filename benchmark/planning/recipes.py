"""From a request to a plan: which stages a cell is made of, and what each is told.

standard   demos -> pretrain -> embed -> probe
                                embed -> fit -> rollout          the encoder is frozen
             demos -> tokenize -'                                where the policy makes something of actions alone
joint      the same, but the fit starts from the encoder and goes on training it with the policy
dagger     either, where rounds of embed -> fit -> collect come before the last fit and give it more demonstrations
"""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from benchmark import registry
from benchmark.contracts.environment import Environment
from benchmark.contracts.method import Method
from benchmark.contracts.policy import Policy
from benchmark.contracts.training import TrainingConfig
from benchmark.core.errors import BenchmarkError
from benchmark.core.names import row_label
from benchmark.core.typed import to_json
from benchmark.models.hub import digest
from benchmark.models.imagenet import RESNET18_IMAGENET
from benchmark.models.weights import content
from benchmark.planning.config.compose import compose_config
from benchmark.planning.config.schema import Config
from benchmark.planning.demonstrations import Elsewhere, demos_stage
from benchmark.planning.graph import CellId, Plan, RunCell, Stage, make_stage
from benchmark.planning.keys import code_behind
from benchmark.planning.refusals import Refusals, Row
from benchmark.planning.request import DEFAULT, Request
from benchmark.planning.sweeps import split_sweeps, with_sweeps
from benchmark.planning.variants import expand_methods, is_finetuned, is_pretrained, pretrained_as, pretrained_on, with_variant
from benchmark.stages.params import collect, embed, fit, pretrain, probe, rollout, tokenize, video, visualize
from benchmark.storage.manifests import Ref

OF_TRAINING = {field.name for field in fields(TrainingConfig)}  # settings that a policy without training has no use for
# What stages call the artifacts of a cell -> the kind of stage that makes them
INPUTS = {"demos": "demos", "features": "embed", "encoder": "pretrain", "policy": "fit", "rollout": "rollout"}


def make_plan(request: Request) -> Plan:
    """Validate everything a user can get wrong, then lay out the stages. Nothing runs, and no network or simulator is built."""
    collecting = gc.isenabled()
    gc.disable()  # nothing of a plan is garbage, and looking for some takes a fifth of the time
    try:
        return _planned(request)
    finally:
        if collecting:
            gc.enable()


def _planned(request: Request) -> Plan:
    overrides, sweeps = split_sweeps(request.settings)
    methods = with_sweeps(expand_methods(request.methods), sweeps)
    plan = Plan(request.preset, [], {}, {})
    envs = _whole(_expand("envs", request.envs, registry.envs()), registry.envs(), plan)
    policies = _whole(_expand("policies", request.policies, registry.policies()), registry.policies(), plan)
    broken = {method: problem for method, _ in methods if (problem := registry.methods().problem(method))}
    others = pretrained_on([row for row in methods if row[0] not in broken], overrides)
    configs = {
        env: compose_config(
            env,
            preset=request.preset,
            methods=dict.fromkeys(m for m, _ in methods if m not in broken),
            policies=policies,
            envs=[*envs, *others],
            overrides=overrides,
        )
        for env in dict.fromkeys([*envs, *others])
    }
    plan.configs = {env: configs[env] for env in envs}
    for what, names in (("methods", methods), ("environments", envs), ("policies", policies)):
        if not names:
            raise BenchmarkError(f"no {what}: nothing to run")
    elsewhere = {env: Elsewhere.of(env, configs[env]) for env in others}
    for env, config in plan.configs.items():
        recipe = Recipe(env, config, elsewhere)
        for method, variant in methods:
            for policy in policies:
                for training_seed in request.training_seeds:
                    cell = CellId(env, method, variant, policy, training_seed)
                    stages, refused = ([], broken[method]) if method in broken else recipe.stages(cell)
                    plan.stages.update({stage.key: stage for stage in stages})
                    plan.cells.append(RunCell(cell, {stage.kind: stage.key for stage in stages}, refused))
    return plan


def visualize_stages(plan: Plan) -> dict[CellId, Stage]:
    """What a report shows of each row's first encoder, which acts with its first policy."""
    rows: dict[tuple[str, str], RunCell] = {}
    for cell in plan.cells:
        if not cell.refused:
            rows.setdefault((cell.id.env, cell.id.row), cell)
    return {cell.id: _visualize(plan, cell) for cell in rows.values()}


def _visualize(plan: Plan, cell: RunCell) -> Stage:
    inputs, config = _inputs(plan, cell, "demos", "features", "encoder", "policy"), plan.configs[cell.id.env]
    params = visualize.Params(config.split.held_out, config.embed.features, plan.acting(cell), config.rollout.checkpoint)
    return make_stage("visualize", f"visualize · {cell.id.row} · {cell.id.env}", params, inputs)


def video_stage(plan: Plan, cell: RunCell, episodes: int) -> Stage:
    """The first episodes of a cell, played again."""
    inputs = _inputs(plan, cell, "demos", "encoder", "policy", "rollout")
    return make_stage("video", f"video · {cell.label}", video.Params(episodes), inputs)


def _inputs(plan: Plan, cell: RunCell, *names: str) -> dict[str, Ref]:
    return {name: plan.stages[cell.stages[INPUTS[name]]].ref for name in names}


@dataclass(frozen=True)
class Encoded:
    """The stages of an encoder, which all its policies share."""

    pretrained: Stage
    embedded: Stage
    probed: Stage


@dataclass(frozen=True)
class _Settings:
    """Of a policy, as they stand in parameters."""

    training: dict[str, Any]
    acting: dict[str, Any]  # what acting alone reads
    tokenizer: Any  # None: it makes nothing of actions alone


@dataclass(frozen=True)
class _Fitting:
    """What all fits of a cell share."""

    cell: CellId
    method: type[Method]
    policy: type[Policy]
    pretrained: Stage
    joint: fit.Joint | None


class Recipe:
    """Lays out the stages of the cells of one environment. Files of code are looked at once, and what cells share is made once:
    a plan of 20 000 cells takes seconds."""

    def __init__(self, env: str, config: Config, elsewhere: Mapping[str, Elsewhere]):
        self.config, self._named, self._elsewhere = config, env, elsewhere
        self._make = partial(make_stage, code_of=cache(code_behind))
        self._row, self._settings = cache(self._read_row), cache(self._read_settings)
        self._encoders: dict[tuple[str, str, int], Encoded] = {}
        self._tokenized: dict[tuple[str, int, str], Stage] = {}
        self.env: type[Environment] = registry.envs().get(env)
        self.demos = demos_stage(env, config)
        self._budget = fit.Budget(config.fit.steps, config.fit.epochs, config.fit.checkpoint_every)
        self._refused = cache(Refusals(self.env, config.env[env], config, elsewhere).why)

    def stages(self, cell: CellId) -> tuple[list[Stage], str | None]:
        """The stages of a cell, or why there is no such cell."""
        row, policy = self._row(cell.method, cell.variant), registry.policies().get(cell.policy)
        if reason := self._refused(row, policy):
            return [], reason
        encoded = self._encode(cell, row)
        fitting = _Fitting(cell, row.method, policy, encoded.pretrained, self._joint(row) if row.joint else None)
        rounds, shown, embedded = self._rounds(fitting, encoded)
        fitted = self._fitted(fitting, shown, embedded)
        rolled_out = self._rollout(cell, encoded.pretrained, fitted[-1])
        own = (self.demos, encoded.pretrained, encoded.embedded, encoded.probed, *fitted, rolled_out)
        first = [self._elsewhere[row.config.on].demos] if row.config.on else []
        return [*first, *rounds, *own], None  # of several of a kind the last one is the cell's

    def _read_row(self, name: str, variant: str) -> Row:
        method = registry.methods().get(name)
        config = with_variant(method, self.config.method[name], variant, self._named)
        return Row(method, config, to_json(config), method.joint or is_finetuned(variant))

    def _read_settings(self, policy: str) -> _Settings:
        config, tokenizer = self.config.policy[policy], registry.policies().get(policy).Tokenizer
        training, acting = config.split()
        if not registry.policies().get(policy).learns:
            training = {name: value for name, value in training.items() if name not in OF_TRAINING}
        return _Settings(training, acting, tokenizer and to_json(tokenizer.settings(config)))

    def _rounds(self, fitting: _Fitting, encoded: Encoded) -> tuple[list[Stage], Stage, Stage]:
        """Of DAgger: each fit acts once, and what it is told then is added to the demonstrations of the next. Their stages, and
        what the last fit is shown: the demonstrations and their features."""
        stages: list[Stage] = []
        shown, embedded, dagger = self.demos, encoded.embedded, self.config.fit.dagger
        for number in range(1, dagger.rounds + 1):
            fitted = self._fitted(fitting, shown, embedded, dagger.steps)
            shown = self._collect(fitting, shown, fitted[-1], number)
            embedded = self._embed(encoded.pretrained, shown)
            stages += [*fitted, shown, embedded]
        return stages, shown, embedded

    def _encode(self, cell: CellId, row: Row) -> Encoded:
        name = cell.method, cell.variant, cell.seed
        if name not in self._encoders:
            pretrained = self._pretrain(cell, row)
            embedded = self._embed(pretrained, self.demos)
            self._encoders[name] = Encoded(pretrained, embedded, self._probe(embedded))
        return self._encoders[name]

    def _pretrain(self, cell: CellId, row: Row) -> Stage:
        method, config = row.method, row.config
        settings, learning = self.config.pretrain, None
        if is_pretrained(method, cell.variant):
            budget = pretrain.Budget(settings.frames, settings.steps, settings.epochs)
            held_out, device = self.config.split.held_out, self.config.machine.device
            learning = pretrain.Learning(budget, held_out, device, settings.precision, settings.compile)
        seed = cell.seed if method.seeded(config) else 0
        params = pretrain.Params(cell.method, row.json, seed, learning, content_of(method, config))
        trained = row_label(cell.method, pretrained_as(cell.variant))
        label = f"{trained} · {cell.env}" + (f" · seed {cell.seed}" if method.seeded(config) else "")
        shown = self._elsewhere[config.on].demos if config.on else self.demos
        components = method, *method.built_on(config)
        return self._make("pretrain", f"pretrain · {label}", params, {"demos": shown.ref}, *components)

    def _embed(self, pretrained: Stage, shown: Stage) -> Stage:
        params = embed.Params(self.config.embed.features, self.config.machine.device, self.config.embed.precision)
        inputs = {"demos": shown.ref, "encoder": pretrained.ref}
        label = pretrained.label.replace("pretrain", "embed", 1) + _round(shown)
        return self._make("embed", label, params, inputs)

    def _probe(self, embedded: Stage) -> Stage:
        params = probe.Params(self.config.split.held_out)
        inputs = {"demos": self.demos.ref, "features": embedded.ref}
        return self._make("probe", embedded.label.replace("embed", "probe", 1), params, inputs)

    def _joint(self, row: Row) -> fit.Joint:
        rates = self.config.joint.pairs or (("*", row.method.joint_rate(row.config)),)
        config = self.config
        return fit.Joint(rates, config.joint.batch, config.pretrain.precision, config.embed.features, config.joint.augment)

    def _tokenize(self, cell: CellId, policy: type[Policy], shown: Stage) -> Stage | None:
        """Of no encoder: whatever gives the features, actions are the same."""
        if policy.Tokenizer is None:
            return None
        name, config = (cell.policy, cell.seed, shown.key), self.config
        if name in self._tokenized:
            return self._tokenized[name]
        params = tokenize.Params(
            policy=cell.policy,
            config=self._settings(cell.policy).tokenizer,
            held_out=config.split.from_policies,
            seed=cell.seed,
            device=config.machine.device,
        )
        label = f"tokenize {cell.policy} · {cell.env} · seed {cell.seed}{_round(shown)}"
        made = self._tokenized[name] = self._make("tokenize", label, params, {"demos": shown.ref}, policy)
        return made

    def _fitted(self, fitting: _Fitting, shown: Stage, embedded: Stage, steps: int | None = None) -> list[Stage]:
        """A fit to the demonstrations `shown`, after its tokenizer if it has one; `steps`: another budget than `fit` says."""
        config, cell = self.config, fitting.cell
        budget = fit.Budget(steps, None, config.fit.checkpoint_every) if steps else self._budget
        params = fit.Params(
            policy=cell.policy,
            config=self._settings(cell.policy).training,
            budget=budget if fitting.policy.learns else None,
            goal=config.fit.goal,
            held_out=config.split.from_policies,
            unseen=config.split.from_all,
            seed=cell.seed,
            device=config.machine.device,
            proprio=config.fit.proprio,
            joint=fitting.joint,
            precision=config.fit.precision if fitting.policy.learns else "auto",
            compile=config.fit.compile and fitting.policy.learns,
            standardise=(config.fit.standardise and fitting.method.standardised) or fitting.method.privileged,
        )
        inputs = {"demos": shown.ref, "features": embedded.ref}
        if fitting.joint:
            inputs["encoder"] = fitting.pretrained.ref
        if tokenized := self._tokenize(cell, fitting.policy, shown):
            inputs["tokenizer"] = tokenized.ref
        label = f"fit {cell.policy} · {cell.row} · {cell.env} · seed {cell.seed}{_round(shown)}"
        fitted = self._make("fit", label, params, inputs, fitting.policy)
        return [tokenized, fitted] if tokenized else [fitted]

    def _collect(self, fitting: _Fitting, shown: Stage, fitted: Stage, number: int) -> Stage:
        dagger, cell = self.config.fit.dagger, fitting.cell
        params = collect.Params(
            **vars(self.demos.params),
            round=number,
            episodes=dagger.episodes,
            most=dagger.most,
            acting=self._settings(cell.policy).acting,
            seed=cell.seed,
            slots=self.config.rollout.slots,
            features=self.config.embed.features,
            device=self.config.machine.device,
            precision=self.config.embed.precision,
            checkpoint=self.config.rollout.checkpoint,
        )
        inputs = {"demos": shown.ref, "encoder": fitting.pretrained.ref, "policy": fitted.ref}
        label = f"collect {cell.policy} · {cell.row} · {cell.env} · seed {cell.seed} · round {number}"
        return self._make("collect", label, params, inputs, self.env)

    def _rollout(self, cell: CellId, pretrained: Stage, fitted: Stage) -> Stage:
        settings = self.config.rollout
        params = rollout.Params(
            seed=cell.seed,
            episodes=settings.episodes,
            slots=settings.slots,
            starts=settings.starts,
            checkpoint=settings.checkpoint,
            acting=self._settings(cell.policy).acting,
            shift=self.config.shift.evaluation,
            features=self.config.embed.features,
            device=self.config.machine.device,
            precision=self.config.embed.precision,
        )
        inputs = {"demos": self.demos.ref, "encoder": pretrained.ref, "policy": fitted.ref}
        label = f"rollouts {cell.policy} · {cell.row} · {cell.env} · seed {cell.seed}"
        return self._make("rollout", label, params, inputs)


def _round(shown: Stage) -> str:
    """Of the demonstrations that a stage is given, for its label."""
    return f" · after round {shown.params.round}" if isinstance(shown.params, collect.Params) else ""


def content_of(method: type[Method], config: Any) -> dict[str, str]:
    """The checksum of every file that a method reads. One that is not here is said to be: its row cannot run here either."""
    names: dict[str, Path | str] = dict(method.files(config))
    if config.init == "imagenet":
        names[RESNET18_IMAGENET.file] = content(RESNET18_IMAGENET)
    return {name: file if isinstance(file, str) else _content_of(file) for name, file in names.items()}


def _content_of(path: Path) -> str:
    return digest(path) if path.is_file() else "absent"


def _whole(names: Sequence[str], components: registry.Registry[Any], plan: Plan) -> list[str]:
    """Without those whose file is broken; the plan says so. One that is named by itself has been an error by now."""
    plan.notes += [f"left out: {problem}" for name in names if (problem := components.problem(name))]
    return [name for name in names if components.problem(name) is None]


def _expand(what: str, names: Sequence[str], components: registry.Registry[Any]) -> list[str]:
    chosen: list[str] = []
    for name in names:
        if name == DEFAULT:
            chosen += defaults()[what]
        else:
            chosen += components.names() if name == "all" else [components.get(name).name]
    return list(dict.fromkeys(chosen))


@cache
def defaults() -> Mapping[str, list[str]]:
    """What `default` means for environments and policies."""
    return OmegaConf.to_container(OmegaConf.create(files("benchmark.planning.config").joinpath("defaults.yaml").read_text()))  # type: ignore[return-value]
