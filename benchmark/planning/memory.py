"""How much memory the stages of a plan will need at their peak: what a launcher asks a machine for.

Sums of what is held at the same time, for a process that runs this stage alone. What a process keeps of earlier stages comes on
top, and so does what mapped files of a data set take of a memory that nobody else wants.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from benchmark import registry
from benchmark.contracts.environment import EnvConfig, Environment, Simulator
from benchmark.contracts.method import BatchSpec
from benchmark.core.typed import from_json
from benchmark.models.encoders import VIT_SHAPES
from benchmark.planning.graph import Stage
from benchmark.stages.params import collect, demos, embed, fit, pretrain, probe, rollout, tokenize, video

MB, MIB = 10**6, 1 << 20
PROCESS = 555 * MIB  # Python with torch and what a stage imports (torch 2.15 with CUDA's libraries, Linux)
NETWORKS = 185 * MIB  # timm and lightly with torchvision, which heads of methods and vision transformers are taken from
WORKERS = 2  # simulator processes; one per core is the default, and the planning host does not know the cores of the other
GRADIENTS = 150 * MIB  # what torch loads and keeps for itself once gradients are computed: heads of 3 MB took 140 to 190
FLOAT = 4
RESNET = 11.2e6  # parameters at width 64
# Numbers that a training step of a ResNet-18 keeps per frame for its backward pass, in units of width x side^2: three after
# each convolution (its output, its norm's, the activation's) at a quarter, a sixteenth, ... of the area. Autocast keeps half
# of them in two bytes.
KEPT = 2.2 * 3
KEPT_BY_VIT = 17  # the same of a vision transformer, a decoder included: MAE at width 16 took 24 in bf16, 12 in float32
LAST = 32  # by which a ResNet-18 divides the side of an image, and published convolutional networks do
UNKNOWN = 768  # features of a network of timm's, most of which have so many or fewer; to know, it would have to be built


def peak(stage: Stage, stages: Mapping[str, Stage], frames: float, max_steps: int) -> float:
    """In bytes; `frames` are time steps of the demonstrations."""
    config = _environment(stage, stages)
    cls, params = registry.envs().get(_demos(stage, stages).env), stage.params
    spec = cls.spec(config)
    image = len(spec.views) * config.resolution**2 * 3
    encoder = _encoder(stage, stages)
    privileged = encoder is not None and registry.methods().get(encoder.params.method).privileged
    dim = spec.state_dim if privileged else _feature_dim(stage, stages, len(spec.views), config.resolution)
    seen = 0 if privileged else frames * image  # pages of the frames' file
    base = PROCESS + (NETWORKS if _built_elsewhere(stage, stages) else 0)
    match params:
        case collect.Params():  # beside what a rollout takes, the episodes that it keeps
            return base + _simulators(cls, params.slots) + params.episodes * max_steps * image + frames * image
        case demos.Params():
            episode = max_steps * image
            return PROCESS + _simulators(cls, WORKERS) + (WORKERS + 1) * 2 * episode
        case pretrain.Params(learning=None):
            return base + _weights(params)
        case pretrain.Params(learning=pretrain.Learning(budget=budget)):
            drawn = budget.frames or (budget.steps or math.inf) * _frames_per_step(params) * len(spec.views)
            held = min(seen, drawn * image / len(spec.views))
            held += 5 * _weights(params)  # with gradients, two moments and a moving average
            return PROCESS + NETWORKS + GRADIENTS + held + _activations(params, config.resolution, spec.views)
        case embed.Params():
            maps = embed.BATCH["cpu"] * len(spec.views) * config.resolution**2 * (3 + 2 * _width(stage, stages)) * FLOAT
            return base + seen + 2 * frames * dim + (0 if privileged else maps)
        case probe.Params():  # features in float64: as they are, standardised, centred; and their products
            return PROCESS + frames * dim * (2 + 5 * 8) + 3 * dim**2 * 8
        case tokenize.Params():
            tokenizer: Any = registry.policies().get(params.policy).Tokenizer
            made_of: Any = from_json(tokenizer.Config, params.config)
            numbers = 3 * made_of.chunk * spec.action_dim + tokenizer.held(made_of)  # of a sample
            return PROCESS + GRADIENTS + frames * numbers * FLOAT
        case fit.Params():
            settings: Any = from_json(registry.policies().get(params.policy).Config, params.config)
            held = frames * (dim + spec.action_dim) * (2 + 2 * FLOAT + FLOAT)  # stored, read, normalised
            sampled = frames * (settings.history * dim + settings.chunk * (spec.action_dim + 1)) * FLOAT  # by `prepare`
            learning = GRADIENTS if registry.policies().get(params.policy).learns and not params.joint else 0
            return (base + seen if params.joint else PROCESS) + learning + held + sampled
        case rollout.Params() | video.Params():
            slots = params.slots if isinstance(params, rollout.Params) else 1
            return base + _simulators(cls, slots) + slots * image * (1 + FLOAT)
    return base + seen


def _simulators(env: type[Environment], slots: int) -> float:
    """Of the processes that so many simulators share."""
    if not issubclass(env, Simulator):
        return 0
    processes, (first, more) = min(WORKERS, slots), env.memory
    return MB * (processes * first + (slots - processes) * more)


def _demos(stage: Stage, stages: Mapping[str, Stage]) -> demos.Params:
    return stage.params if isinstance(stage.params, demos.Params) else stages[stage.inputs["demos"].key].params


def _environment(stage: Stage, stages: Mapping[str, Stage]) -> EnvConfig:
    params = _demos(stage, stages)
    return from_json(registry.envs().get(params.env).Config, params.config)


def _encoder(stage: Stage, stages: Mapping[str, Stage]) -> Stage | None:
    """The pretraining behind a stage, however far."""
    if isinstance(stage.params, pretrain.Params):
        return stage
    for name in ("encoder", "features"):
        if name in stage.inputs:
            return _encoder(stages[stage.inputs[name].key], stages)
    return None


def _built_elsewhere(stage: Stage, stages: Mapping[str, Stage]) -> bool:
    """Whether the encoder is of timm's: all but our ResNet-18, and the state, for which there is no network."""
    encoder = _encoder(stage, stages)
    if encoder is None or registry.methods().get(encoder.params.method).privileged:
        return False
    config = encoder.params.config
    return config.get("backbone") != "resnet18" or "pretrained" in config  # published ones, which have no choice of a backbone


def _width(stage: Stage, stages: Mapping[str, Stage]) -> int:
    encoder = _encoder(stage, stages)
    return encoder.params.config.get("width", 64) if encoder else 0


def _feature_dim(stage: Stage, stages: Mapping[str, Stage], views: int, resolution: int) -> int:
    """Of all views; features with places as those of a ResNet-18's last map."""
    if isinstance(stage.params, probe.Params | fit.Params) and "features" in stage.inputs:
        return _feature_dim(stages[stage.inputs["features"].key], stages, views, resolution)
    if not isinstance(stage.params, embed.Params):
        return 0
    dim, side = _grid(stage, stages, resolution)
    parts = [part.partition("@") for part in stage.params.features.split("+")]
    places = sum(1 if name == "pooled" else int(number or side) ** 2 for name, _, number in parts)
    return dim * views * places


def _grid(stage: Stage, stages: Mapping[str, Stage], resolution: int) -> tuple[int, int]:
    """How many features the encoder has for an image or a place in it, and how many places along its side."""
    encoder = _encoder(stage, stages)
    if encoder is None:
        return 0, 0
    cls, config = registry.methods().get(encoder.params.method), encoder.params.config
    backbone = config.get("backbone", "")
    if backbone in VIT_SHAPES:
        _, heads = VIT_SHAPES[backbone]
        return heads * config["width"], resolution // (16 if resolution >= 128 else 8)
    if "pretrained" in config:  # a published network: patches or, if its sizes need no dividing, maps of a convolutional one
        size, patch = config.get("size") or config.get("native") or resolution, getattr(cls.Config, "multiple", 1)
        return getattr(cls, "dim", UNKNOWN), math.ceil(size / (LAST if patch == 1 else patch))
    return (8 * config["width"] if backbone == "resnet18" else UNKNOWN), math.ceil(resolution / LAST)


def _weights(params: pretrain.Params) -> float:
    return RESNET * (params.config.get("width", 64) / 64) ** 2 * FLOAT


def _batch(params: pretrain.Params) -> tuple[Any, BatchSpec]:
    cls: Any = registry.methods().get(params.method)
    config: Any = from_json(cls.Config, params.config)
    return config, cls.batch_spec(config)


def _frames_per_step(params: pretrain.Params) -> int:
    """Of one view."""
    config, spec = _batch(params)
    return config.batch_size * spec.window


def _activations(params: pretrain.Params, resolution: int, views: tuple[str, ...]) -> float:
    config, spec = _batch(params)
    images = config.batch_size * spec.window * spec.images * len(views)
    kept = KEPT_BY_VIT if config.backbone.startswith("vit") else KEPT
    return images * config.width * resolution**2 * kept * (FLOAT + FLOAT / 2) / 2
