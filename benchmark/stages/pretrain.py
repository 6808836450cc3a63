"""Method + demonstrations -> an encoder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import save_file

from benchmark import registry
from benchmark.contracts.method import Method, MethodConfig
from benchmark.contracts.specs import require
from benchmark.core.collective import processes
from benchmark.core.progress import Task
from benchmark.core.seeds import seed
from benchmark.core.typed import from_json
from benchmark.data.episodes import Demos, open_demos
from benchmark.data.windows import WindowSampler
from benchmark.models.collapse import learning_verdict
from benchmark.stages.base import Context
from benchmark.stages.params.pretrain import ENCODER, Budget, Learning, Params, Summary
from benchmark.training.checkpoints import Trained, on_cpu
from benchmark.training.distributed import together
from benchmark.training.loop import train

EQUAL_STEP = 64  # frames that buy a step when rows are to take equally many


def run(context: Context[Params]) -> Summary:
    params = context.params
    demos = open_demos(context.inputs["demos"].folder)
    method = build(registry.methods().get(params.method), params, demos)
    encoder = method.encoder
    summary = Summary(encoder_params=sum(p.numel() for p in encoder.parameters()), encoder=encoder.description)
    if params.learning is not None:
        summary = _learn(context, params.learning, method, demos, summary)
    state = on_cpu(method.encoder.state_dict())
    save_file(state, context.out / ENCODER)
    return summary


@dataclass(frozen=True)
class _Training:
    """What each process of a training does. Pickled for those that are not the stage's own."""

    cls: type[Method]
    params: Params
    demos: Path
    device: str
    precision: str
    compiled: bool
    checkpoints: Path
    checkpoint_every: int
    pieces: int
    zero: int

    def run(self, method: Method, sampler: WindowSampler, steps: int, task: Task) -> Trained:
        require(
            sampler.batch_size % (processes() * self.pieces) == 0,
            f"a batch of {sampler.batch_size} windows cannot be divided by {processes() * self.pieces}: "
            f"machine.processes={processes()}, machine.accumulate={self.pieces}",
        )
        return train(
            method,
            sampler.batch_at,
            method.config,
            steps=steps,
            seed=seed("pretrain", self.params.seed),
            device=self.device,
            precision=self.precision,
            checkpoints=self.checkpoints,
            checkpoint_every=self.checkpoint_every,
            task=task,
            pieces=self.pieces,
            zero=self.zero,
            compiled=self.compiled,
        )

    def sampler(self, method: Method, demos: Demos, learning: Learning) -> WindowSampler:
        episodes, _ = demos.split(learning.held_out)
        spec = method.batch_spec(method.config)
        return WindowSampler(demos, episodes, spec, method.config.batch_size, self.params.seed, self.device)

    def help_out(self) -> None:
        learning = self.params.learning
        assert learning is not None
        demos = open_demos(self.demos)
        method = build(self.cls, self.params, demos)
        sampler = self.sampler(method, demos, learning)
        self.run(method, sampler, steps_of(learning.budget, sampler, method.config), Task())


def build(cls: type[Method], params: Params, demos: Demos) -> Method:
    """The method before its first step, the same in each process."""
    torch.manual_seed(seed("initialise", params.seed))
    return cls(from_json(cls.Config, params.config), demos.spec)


def _learn(context: Context[Params], learning: Learning, method: Method, demos: Demos, untrained: Summary) -> Summary:
    device, execution = context.device(learning.device), context.execution
    training = _Training(
        type(method),
        context.params,
        context.inputs["demos"].folder,
        device,
        context.precision(learning.precision, device),
        learning.compile,
        context.work,
        execution.checkpoint_every,
        execution.accumulate,
        execution.zero,
    )
    if execution.processes > 1:
        context.facts["arithmetic"] += f", {execution.processes} processes"
    if execution.accumulate > 1:
        context.facts["arithmetic"] += f", batches in {execution.accumulate} pieces"
    if learning.compile:
        context.facts["arithmetic"] += ", compiled"
    sampler = training.sampler(method, demos, learning)
    steps = steps_of(learning.budget, sampler, method.config)
    with together(execution.processes, device, training.help_out):
        trained = training.run(method, sampler, steps, context.task)
    trained.save(context.out / "curves.csv")
    method.config = replace(method.config, batch_size=sampler.batch_size)  # of few demonstrations less: trivial losses count it
    frames = steps * sampler.frames_per_step
    return replace(
        untrained,
        trainable_params=sum(p.numel() for group in method.groups() for p in group.params),
        frames_seen=frames,
        gradient_steps=steps,
        pretrain_seconds=trained.seconds,
        frames_per_second=frames / max(trained.seconds, 1e-9),
        final_loss=trained.curves[-1]["loss"],
        not_learned=learning_verdict(trained.curves[0]["loss"], trained.curves[-1]["loss"], method.trivial_loss()),
    )


def steps_of(budget: Budget, sampler: WindowSampler, config: MethodConfig) -> int:
    """The budget in optimiser steps, whatever unit it was given in."""
    if budget.steps is not None:
        return budget.steps
    if budget.frames is not None:
        return max(1, round(budget.frames / (EQUAL_STEP if config.equal_steps else sampler.frames_per_step)))
    return max(1, round((budget.epochs or config.epochs) * sampler.steps_per_epoch))
