"""Method + demonstrations -> an encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from benchmark import registry
from benchmark.contracts.data import DataSpec
from benchmark.contracts.method import Method, MethodConfig
from benchmark.core.seeds import seed
from benchmark.data.episodes import open_demos
from benchmark.data.windows import WindowSampler
from benchmark.stages.context import Context
from benchmark.training.loop import train

EQUAL_STEP = 64  # frames that buy a step when rows are to take equally many


def run(context: Context) -> dict[str, Any]:
    params = context.params
    demos = open_demos(context.inputs["demos"])
    cls = registry.methods().get(params["method"])
    config = cls.Config(**params["config"])
    torch.manual_seed(seed("initialise", params["seed"]))
    method = cls(config, demos.spec)
    summary: dict[str, Any] = {
        "encoder_params": _count(method.encoder),
        "trainable_params": 0,
        "frames_seen": 0,
        "gradient_steps": 0,
        "pretrain_seconds": 0.0,
    }
    if cls.learns:
        summary |= _learn(context, method, demos)
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in method.encoder.state_dict().items()}
    save_file(state, context.out / "encoder.safetensors")
    return summary


def _learn(context: Context, method: Method, demos: Any) -> dict[str, Any]:
    params, config = context.params, method.config
    budget, device = params["budget"], params["device"]
    episodes, _ = demos.split(params["split"]["held_out"])
    sampler = WindowSampler(demos, episodes, method.batch_spec(config), config.batch_size, params["seed"], device)
    steps = steps_of(budget, sampler, config)
    trained = train(
        method,
        sampler.batch_at,
        config,
        steps=steps,
        seed=seed("pretrain", params["seed"]),
        device=device,
        precision=budget["precision"],
        checkpoints=context.work,
        checkpoint_every=budget["checkpoint_every"],
        task=context.task,
    )
    trained.save(context.out / "curves.csv")
    last = trained.curves[-1]
    return {
        "trainable_params": sum(p.numel() for g in method.groups() for p in g.params),
        "frames_seen": steps * sampler.frames_per_step,
        "gradient_steps": steps,
        "pretrain_seconds": trained.seconds,
        "frames_per_second": steps * sampler.frames_per_step / max(trained.seconds, 1e-9),
        "final_loss": last["loss"],
    }


def steps_of(budget: dict[str, Any], sampler: WindowSampler, config: MethodConfig) -> int:
    """The budget in optimiser steps, whatever unit it was given in."""
    if budget["steps"] is not None:
        return budget["steps"]
    if budget["frames"] is not None:
        return max(1, round(budget["frames"] / (EQUAL_STEP if config.equal_steps else sampler.frames_per_step)))
    return max(1, round((budget["epochs"] or config.epochs) * sampler.steps_per_epoch))


def load_encoder(context: Context) -> Any:
    """The encoder that a stage builds on."""
    params, spec = context.manifests["pretrain"]["params"], open_demos(context.inputs["demos"]).spec
    return open_encoder(context.inputs["pretrain"], params, spec)


def open_encoder(folder: Path, params: dict[str, Any], spec: DataSpec) -> Any:
    """What a `pretrain` artifact of these parameters holds, in evaluation mode and frozen."""
    from safetensors.torch import load_file

    cls = registry.methods().get(params["method"])
    encoder = cls.build_encoder(cls.Config(**params["config"]), spec)
    encoder.load_state_dict(load_file(folder / "encoder.safetensors"))
    return encoder.eval().requires_grad_(False)


def _count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())
