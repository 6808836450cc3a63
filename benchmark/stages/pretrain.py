"""Method + demonstrations -> an encoder."""

from __future__ import annotations

from dataclasses import replace

import torch
from safetensors.torch import save_file

from benchmark import registry
from benchmark.contracts.method import Method, MethodConfig
from benchmark.core.seeds import seed
from benchmark.core.typed import from_json
from benchmark.data.episodes import Demos, open_demos
from benchmark.data.windows import WindowSampler
from benchmark.models.collapse import learning_verdict
from benchmark.stages.base import Context
from benchmark.stages.params.pretrain import ENCODER, Budget, Learning, Params, Summary
from benchmark.training.loop import train

EQUAL_STEP = 64  # frames that buy a step when rows are to take equally many


def run(context: Context[Params]) -> Summary:
    params = context.params
    demos = open_demos(context.inputs["demos"].folder)
    cls = registry.methods().get(params.method)
    config = from_json(cls.Config, params.config)
    torch.manual_seed(seed("initialise", params.seed))
    method = cls(config, demos.spec)
    encoder = method.encoder
    summary = Summary(encoder_params=sum(p.numel() for p in encoder.parameters()), encoder=encoder.description)
    if params.learning is not None:
        summary = _learn(context, params.learning, method, demos, summary)
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in method.encoder.state_dict().items()}
    save_file(state, context.out / ENCODER)
    return summary


def _learn(context: Context[Params], learning: Learning, method: Method, demos: Demos, untrained: Summary) -> Summary:
    params, config = context.params, method.config
    device = context.device(learning.device)
    episodes, _ = demos.split(learning.held_out)
    sampler = WindowSampler(demos, episodes, method.batch_spec(config), config.batch_size, params.seed, device)
    steps = steps_of(learning.budget, sampler, config)
    trained = train(
        method,
        sampler.batch_at,
        config,
        steps=steps,
        seed=seed("pretrain", params.seed),
        device=device,
        precision=context.precision(learning.precision, device),
        checkpoints=context.work,
        checkpoint_every=context.execution.checkpoint_every,
        task=context.task,
    )
    trained.save(context.out / "curves.csv")
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
