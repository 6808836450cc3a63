"""What every method promises."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load, save

from benchmark import registry
from benchmark.conformance.common import Faults, check_preset_names, ensure, tensors
from benchmark.contracts.data import DataSpec, Episode, Observations
from benchmark.contracts.encoder import Encoder, FusedEncoder
from benchmark.contracts.method import Method
from benchmark.contracts.presets import PRESETS, component_config
from benchmark.contracts.specs import DEPTH
from benchmark.core.errors import Unavailable
from benchmark.core.progress import Task
from benchmark.core.seeds import numpy_rng, seed, torch_rng
from benchmark.data.episodes import Demos, DemosWriter, open_demos
from benchmark.data.windows import WindowSampler
from benchmark.models.features import encode, encode_goal, features_of, images_of, read_goal
from benchmark.planning.variants import variants_of
from benchmark.training.loop import train

STEPS = 4


def fake_demos(folder: Path, views: int = 2, resolution: int = 64, episodes: int = 3, length: int = 24) -> Demos:
    """Small demonstrations in which something visible moves with the state."""
    names = tuple(f"view{i // 2}{DEPTH if i % 2 else ''}" for i in range(views))
    spec = DataSpec("fake", names, resolution, 3, 4, 5, 10.0)
    writer = DemosWriter(folder, spec)
    for index in range(episodes):
        rng = numpy_rng("fake demos", index)
        states = np.cumsum(rng.normal(size=(length, 5)) * 0.1, axis=0)
        frames = rng.integers(0, 30, (length, views, resolution, resolution, 3), dtype=np.uint8)
        for t in range(length):
            column = int((np.tanh(states[t, 0]) + 1) / 2 * (resolution - 8))
            frames[t, :, 8:24, column : column + 8] = 220
        actions = np.diff(states[:, :3], axis=0, append=states[-1:, :3])
        writer.add(Episode(frames, actions.astype(np.float32), states.astype(np.float32), states[:, :4].astype(np.float32)))
    writer.finish()
    return open_demos(folder)


def _built(cls: type[Method], config: Any, spec: DataSpec) -> Method:
    torch.manual_seed(seed("conformance"))
    return cls(config, spec)


def _with_demos(check: Callable[[type[Method], Any, Demos], None]) -> Callable[..., None]:
    def run(cls: type[Method], config: Any = None) -> None:
        config = component_config(cls, "smoke", "fake") if config is None else config
        if reason := cls.unavailable_reason(config):
            raise Unavailable(reason)
        with tempfile.TemporaryDirectory() as folder:
            check(cls, config, fake_demos(Path(folder)))

    run.__doc__, run.__name__ = check.__doc__, check.__name__
    return run


def method_presets(cls: type[Method], config: Any = None) -> None:
    """Presets and variants set only fields that exist, to values that are allowed."""
    check_preset_names(cls)
    for preset in PRESETS:
        for env in registry.envs().names():
            config = component_config(cls, preset, env)
            for values in variants_of(cls, config, env).values():
                replace(config, **values)
    known = set(variants_of(cls, cls.Config()))
    unknown = {name for name in cls.variants if "/" in name and name.partition("/")[0] not in known}
    ensure(not unknown, f"{', '.join(sorted(unknown))}: there is no such variant")


@_with_demos
def encoder_shapes(cls: type[Method], config: Any, demos: Demos) -> None:
    """The encoder gives finite features of the declared size, the same for uint8 and float frames."""
    encoder = _built(cls, config, demos.spec).encoder.eval()
    with Faults() as faults:
        agree = encoder.takes_goal == bool(cls.goals)
        faults.ensure(agree, f"takes_goal of the encoder is {encoder.takes_goal}, {cls.name}.goals are {cls.goals}")
        features = _encode(encoder, demos)
        views = 1 if encoder.reads == "state" or encoder.with_depth else 2
        faults.ensure(
            features.shape == (6, encoder.dim * views),
            f"pooled(images): 6 moments of {views} views gave shape {tuple(features.shape)}, encoder.dim is {encoder.dim}",
        )
        faults.ensure(bool(features.isfinite().all()), "pooled(images) contains NaN or infinite numbers")
        if encoder.reads == "state":
            return
        images = _images(encoder, demos, 6)
        with torch.no_grad():
            whole = encoder.pooled(images)
            as_floats, alone = encoder.pooled(images.float() / 255), encoder.pooled(images[:1])
            same = torch.allclose(whole, as_floats, rtol=1e-4, atol=1e-4)
            faults.ensure(same, "pooled(images) differs between uint8 images and the same as floats from 0 to 1")
            same = torch.allclose(whole[:1], alone, rtol=1e-3, atol=1e-3)
            faults.ensure(same, "pooled(images) of one image depends on the images beside it in the batch")
            if encoder.patch_dim is not None:
                tokens = encoder.patch(images)
                faults.ensure(
                    tokens.ndim == 3 and tokens.shape[0] == 6 and tokens.shape[2] == encoder.patch_dim,
                    f"patch(images) has shape {tuple(tokens.shape)}, promised is (6, tokens, {encoder.patch_dim})",
                )


@_with_demos
def encoder_is_still(cls: type[Method], config: Any, demos: Demos) -> None:
    """An encoder in evaluation mode changes neither weights nor buffers, and answers the same twice."""
    encoder = _built(cls, config, demos.spec).encoder.eval()
    before = save(tensors(encoder))
    first, second = _encode(encoder, demos), _encode(encoder, demos)
    ensure(torch.equal(first, second), "two calls differ")
    ensure(save(tensors(encoder)) == before, "weights or buffers changed")


@_with_demos
def encoder_round_trip(cls: type[Method], config: Any, demos: Demos) -> None:
    """A bare encoder with stored tensors loaded into it is the same encoder."""
    encoder = _built(cls, config, demos.spec).encoder.eval()
    torch.manual_seed(1)
    other = cls.build_encoder(config, demos.spec)
    other.load_state_dict(load(save(tensors(encoder))))
    ensure(torch.equal(_encode(encoder, demos), _encode(other.eval(), demos)), "features differ after loading")


@_with_demos
def encoder_takes_goals(cls: type[Method], config: Any, demos: Demos) -> None:
    """An encoder that takes goals can learn to tell one from another, and looks at each image with its own."""
    if not cls.goals:
        return
    encoder = _built(cls, config, demos.spec).encoder.eval()
    observations = demos.observations(slice(0, 6), encoder.reads)
    with Faults() as faults:
        for goal in _goals(cls, observations):
            kind = "images" if goal.ndim > 2 else "numbers"
            # What fuses them may start without an effect (FiLM): after a step of training it has one.
            optimizer = torch.optim.SGD(encoder.parameters(), lr=0.1)
            features_of(encoder, replace(observations, told=read_goal(encoder, goal))).square().sum().backward()
            optimizer.step()
            optimizer.zero_grad()
            told = encode_goal(encoder, goal)
            whole = encode(encoder, replace(observations, told=told))
            faults.ensure(whole.shape == (6, encoder.dim * 2), f"towards(images, {kind}) gives shape {tuple(whole.shape)}")
            alone = encode(encoder, replace(demos.observations(slice(0, 1), encoder.reads), told=told[:1]))
            same = torch.allclose(whole[:1], alone, rtol=1e-3, atol=1e-3)
            faults.ensure(same, f"towards(images, {kind}) of one image depends on the images beside it in the batch")
            other = encode(encoder, replace(observations, told=told.flip(0)))
            faults.ensure(not torch.allclose(whole, other), f"towards(images, {kind}) is the same for other goals")


@_with_demos
def encoder_layers(cls: type[Method], config: Any, demos: Demos) -> None:
    """Its layers hold its maps, of the declared shapes and never finer than the one before, and a summary of each."""
    encoder = _built(cls, config, demos.spec).encoder.eval()
    if not (names := encoder.map_names):
        return
    shapes = encoder.feature_shapes(demos.spec.resolution, names)
    images = _images(encoder, demos, 2)
    with torch.no_grad(), Faults() as faults:
        layers, maps = encoder.dense(images, names), encoder.features(images, names)
        for name in names:
            x, summary = layers[name].map, layers[name].summary
            faults.ensure(
                x.shape == (2, *shapes[name]) and summary.shape == x.shape[:2],
                f"dense(images): {name} has shapes {tuple(x.shape)} and {tuple(summary.shape)}, declared is {shapes[name]}",
            )
            faults.ensure(torch.allclose(x, maps[name], rtol=1e-3, atol=1e-4), f"dense and features differ in {name}")
            faults.ensure(bool(x.isfinite().all() and summary.isfinite().all()), f"{name} contains NaN or infinite numbers")
        sides = [shapes[name][-1] for name in names]
        faults.ensure(sides == sorted(sides, reverse=True), f"{', '.join(names)}: maps of {sides} are not in order")


@_with_demos
def encoder_learns_jointly(cls: type[Method], config: Any, demos: Demos) -> None:
    """Learning with a policy reaches every tensor that may change and no other: frozen networks stay, norms included."""
    if not cls.joint:
        return
    encoder = _built(cls, config, demos.spec).encoder.train()
    observations = demos.observations(slice(0, 6), encoder.reads)
    goals = _goals(cls, observations)

    def features() -> torch.Tensor:
        return features_of(encoder, replace(observations, told=read_goal(encoder, goals[-1]) if goals else None))

    with torch.no_grad():
        head = torch.nn.Linear(features().shape[1], demos.spec.action_dim)
    frozen = _frozen(encoder)
    optimizer = torch.optim.Adam([p for p in (*encoder.parameters(), *head.parameters()) if p.requires_grad], lr=1e-3)
    for _ in range(STEPS):
        loss = (head(features()) - torch.from_numpy(demos.actions[:6])).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with Faults() as faults:
        faults.ensure(bool(loss.isfinite()), "the loss of a linear head is not finite")
        trained = [(name, p) for name, p in encoder.named_parameters() if p.requires_grad]
        unreached = [name for name, p in trained if p.grad is None or not p.grad.any()]
        faults.ensure(not unreached, f"no gradient reaches {', '.join(unreached[:5])}")
        changed = [name for name, tensor in _frozen(encoder).items() if not torch.equal(tensor, frozen[name])]
        faults.ensure(not changed, f"frozen, and changed all the same: {', '.join(changed[:5])}")


@_with_demos
def encoder_parts(cls: type[Method], config: Any, demos: Demos) -> None:
    """What the frozen part of an encoder makes of images may be computed before and kept in 16 bits for the rest."""
    encoder = _built(cls, config, demos.spec).encoder.eval()
    if not isinstance(encoder, FusedEncoder):
        return
    images, names = _images(encoder, demos, 4), encoder.feature_names
    frozen, shape = encoder.frozen(images), (4, encoder.frozen_dim)
    with torch.no_grad(), Faults() as faults:
        faults.ensure(frozen.shape == shape, f"frozen(images) has shape {tuple(frozen.shape)}, declared is {shape}")
        faults.ensure(not frozen.requires_grad, "frozen(images) has a gradient")
        faults.ensure(not (frozen.abs() > 1).any(), "frozen(images) has numbers above 1, which 16 bits may not hold")
        whole, parts = encoder.features(images, names), encoder.fused(images, frozen.half(), names)
        differ = [name for name in names if not torch.allclose(whole[name], parts[name], rtol=1e-2, atol=1e-2)]
        faults.ensure(not differ, f"computed in two parts, {', '.join(differ)} differ")


def _goals(cls: type[Method], observations: Observations) -> list[torch.Tensor]:
    """Of each kind that an encoder can be told, one for each of six observations."""
    assert observations.frames is not None
    goals = [observations.frames.flip(0)] if "last" in cls.goals else []
    return [*goals, torch.eye(6, 7)] if {"task", "language"} & set(cls.goals) else goals


def _frozen(encoder: Encoder) -> dict[str, torch.Tensor]:
    """The state of every network in it that has parameters and trains none."""
    state: dict[str, torch.Tensor] = {}
    for prefix, module in encoder.named_modules():
        parameters = list(module.parameters())
        if parameters and not any(p.requires_grad for p in parameters):
            state |= {f"{prefix}.{name}": tensor for name, tensor in tensors(module).items()}
    return state


@_with_demos
def method_trains(cls: type[Method], config: Any, demos: Demos) -> None:
    """Training is finite, reaches every tensor it says it trains, and repeats bit by bit, also when interrupted."""
    if not cls.learns:
        return
    whole, again = _train(cls, config, demos, [STEPS]), _train(cls, config, demos, [STEPS])
    ensure(save(tensors(whole)) == save(tensors(again)), "two identical runs differ")
    ensure(save(tensors(whole)) == save(tensors(_train(cls, config, demos, [STEPS // 2, STEPS]))), "a resumed run differs")
    method = _built(cls, config, demos.spec).train()
    with Faults() as faults:
        loss, logs = method.loss(_sampler(method, demos).batch_at(0), torch_rng("conformance"))
        faults.ensure(
            loss.ndim == 0 and bool(loss.isfinite()), f"loss(batch, rng) at step 0 is {loss}, promised is a finite number"
        )
        attached = [name for name, value in logs.items() if value.requires_grad]
        faults.ensure(not attached, f"loss(batch, rng) logs {', '.join(attached)} with a gradient: detach() them")
        loss.backward()
        listed = {id(p) for g in method.groups() for p in g.params}
        names = [n for n, p in method.named_parameters() if id(p) in listed and p.grad is None]
        faults.ensure(not names, f"no gradient reaches {', '.join(names[:5])}: use them in loss, or leave them out of groups()")
        forgotten = [n for n, p in method.named_parameters() if p.requires_grad and id(p) not in listed]
        faults.ensure(not forgotten, f"trainable but in no group of groups(): {', '.join(forgotten[:5])}")


@_with_demos
def method_declares_what_it_reads(cls: type[Method], config: Any, demos: Demos) -> None:
    """Actions and proprioception that `batch_spec` does not declare do not reach the loss."""
    if not cls.learns:
        return
    method, spec = _built(cls, config, demos.spec).train(), cls.batch_spec(config)
    batch = _sampler(method, demos).batch_at(0)
    with Faults() as faults:
        for name in ("actions", "proprio"):
            if not getattr(spec, name):
                nothing = torch.full_like(getattr(batch, name), torch.nan)
                loss, _ = method.loss(replace(batch, **{name: nothing}), torch_rng("conformance"))
                told = f"loss(batch, rng) reads batch.{name}, which batch_spec does not declare: return BatchSpec({name}=True)"
                faults.ensure(bool(loss.isfinite()), told)


class _StopHere(Exception):
    pass


def _sampler(method: Method, demos: Demos) -> WindowSampler:
    return WindowSampler(demos, np.arange(len(demos)), method.batch_spec(method.config), min(8, method.config.batch_size), 0)


def _train(cls: type[Method], config: Any, demos: Demos, stops: list[int]) -> Method:
    """Train for STEPS steps, interrupted at each stop but the last and continued from the checkpoint by a fresh object."""
    with tempfile.TemporaryDirectory() as work:
        for stop in stops:
            method = _built(cls, config, demos.spec)
            sampler = _sampler(method, demos)

            def batch_at(step: int, stop: int = stop, sampler: WindowSampler = sampler) -> Any:
                if step == stop:
                    raise _StopHere
                return sampler.batch_at(step)

            try:
                train(
                    method,
                    batch_at,
                    config,
                    steps=STEPS,
                    seed=0,
                    device="cpu",
                    precision="fp32",
                    checkpoints=Path(work),
                    checkpoint_every=STEPS // 2,
                    task=Task(),
                )
            except _StopHere:
                continue
    return method


def _images(encoder: Encoder, demos: Demos, count: int) -> torch.Tensor:
    return images_of(encoder, torch.from_numpy(np.array(demos.frames[:count, : 2 if encoder.with_depth else 1])))


def _encode(encoder: Encoder, demos: Demos) -> torch.Tensor:
    return encode(encoder, demos.observations(slice(0, 6), encoder.reads))


PROMISES = (
    method_presets,
    encoder_shapes,
    encoder_layers,
    encoder_parts,
    encoder_is_still,
    encoder_round_trip,
    encoder_takes_goals,
    encoder_learns_jointly,
    method_declares_what_it_reads,
    method_trains,
)
