"""Actions -> what a policy makes of them before it is trained, once for all encoders."""

from __future__ import annotations

import torch
from safetensors.torch import save_file

from benchmark import registry
from benchmark.contracts.policy import PolicyConfig
from benchmark.core.errors import Diverged
from benchmark.core.typed import from_json
from benchmark.data.chunks import ChunkSampler
from benchmark.data.normalize import Normalizer
from benchmark.models.agent import ACTION_RANGE
from benchmark.stages.base import Context
from benchmark.stages.load.demos import load_demos
from benchmark.stages.params.tokenize import TOKENIZER, Params, Summary
from benchmark.training.checkpoints import on_cpu
from benchmark.training.tokenizer import fit_tokenizer


def run(context: Context[Params]) -> Summary:
    params, device, demos = context.params, context.device(context.params.device), load_demos(context)
    cls = registry.policies().get(params.policy).Tokenizer
    assert cls is not None
    episodes, _ = demos.split(params.held_out)
    actions = torch.from_numpy(demos.actions)
    rows = torch.from_numpy(demos.steps_of(episodes))
    normal = Normalizer(demos.spec.action_dim).fit(actions[rows], ACTION_RANGE)
    config = from_json(cls.Config, params.config)
    unseen = torch.empty(len(actions), 0)
    table = unseen, normal(actions), demos.starts, demos.ends, episodes
    chunks = ChunkSampler(*table, PolicyConfig(chunk=config.chunk), device=device).all().actions
    try:
        tokenizer, trained = fit_tokenizer(
            cls,
            config,
            chunks,
            seed=params.seed,
            device=device,
            checkpoints=context.work,
            checkpoint_every=context.execution.checkpoint_every,
            task=context.task,
        )
    except Diverged as error:  # which names settings that a tokenizer has not
        raise Diverged(f"the tokenizer of {params.policy} diverged: its loss is NaN or infinite") from error
    if trained:
        trained.save(context.out / "curves.csv")
    state = on_cpu(tokenizer.state_dict())
    if not all(tensor.isfinite().all() for tensor in state.values()):
        raise Diverged(f"the tokenizer of {params.policy} has NaN or infinite numbers after its fit")
    save_file(state, context.out / TOKENIZER)
    return Summary(chunks=len(chunks), numbers=sum(tensor.numel() for tensor in state.values()))
