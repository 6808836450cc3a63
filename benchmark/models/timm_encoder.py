"""Any network of timm's as an encoder, and the reading of its checkpoints."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.contracts.encoder import Layer
from benchmark.core.errors import BenchmarkError, Corrupt, UnknownName
from benchmark.models.images import IMAGENET_MEAN, IMAGENET_STD, ImageEncoder
from benchmark.models.precision import at_least_float32

STRIDES = {4: "layer1", 8: "layer2", 16: "layer3", 32: "layer4"}  # of the last map at each, as those of a ResNet are called
NATIVE = 224  # pixels, where timm does not say


@dataclass(frozen=True)
class Network:
    """What `timm.create_model` is given."""

    architecture: str  # with the tag of its weights, or without
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def published(self) -> Any:
        """timm's own record of it: where weights are, how images are normalised. None of a name without weights."""
        return _timm().get_pretrained_cfg(self.architecture)

    @property
    def tied(self) -> bool:
        """Its tensors depend on the size of the image: learned positions, windows."""
        return bool(self.published and self.published.fixed_input_size)

    def create(self, size: int | None, classes: int = 0, **options: Any) -> nn.Module:
        """Untrained, without a classifier, for images of `size` where it is tied to one."""
        if not _timm().is_model(self.architecture):
            raise UnknownName("timm network", self.architecture, _timm().list_models(), "timm.list_models()")
        sized = {"img_size": size} if size and self.tied and "img_size" not in self.arguments else {}
        try:
            return _timm().create_model(self.architecture, num_classes=classes, **{**self.arguments, **sized, **options})
        except (TypeError, ValueError, AssertionError, RuntimeError) as error:
            if options:
                raise
            raise BenchmarkError(f"timm cannot build {self.architecture} for {size} pixels: {_one_line(error)}") from error


def nearest_size(network: Network, resolution: int) -> int | None:
    """The largest image of at most this size that the network can cut up; None where any will do."""
    if not network.tied:
        return None
    with torch.device("meta"):
        stride = max((info["reduction"] for info in _maps(network.create(None))), default=1)
    if resolution < stride:
        raise BenchmarkError(f"{network.architecture} needs images of at least {stride} pixels, not {resolution}")
    return resolution // stride * stride


class TimmEncoder(ImageEncoder):
    """`pooled` is what the network gives without its classifier; `patch` its last map as tokens, or its patch tokens.

    layer1 to layer4 are the last maps at strides 4, 8, 16 and 32; a vision transformer has block1, block2, ... instead, its
    patch tokens after each block as a map. `look`: the size of the image that shows what it gives.
    """

    def __init__(self, origin: Network, look: int, size: int | None, **preprocessing: Any):
        super().__init__(size, **preprocessing)
        network = origin.create(size)
        self.network: Any = network.to(memory_format=torch.channels_last)
        self.origin = origin
        self.trunk_name = f"timm's {origin.architecture.partition('.')[0]}"
        self._prefix = getattr(network, "num_prefix_tokens", 0)
        self._channels_last = getattr(network, "output_fmt", "NCHW") == "NHWC"
        last, pooled = self._look(self.size or look)
        self.dim = pooled.shape[-1]
        tokens = self._tokens(last)
        square = math.isqrt(tokens.shape[1]) ** 2 == tokens.shape[1] > 0  # policies and grids rely on it
        self.patch_dim = tokens.shape[-1] if square else None
        self._indices = dict(self._intermediates(is_map=last.ndim == 4))

    @torch.no_grad()
    def _look(self, size: int) -> tuple[Tensor, Tensor]:
        training, parameter = self.network.training, next(self.network.parameters())
        self.network.eval()
        try:
            last = self.network.forward_features(torch.zeros(1, 3, size, size, device=parameter.device))
            pooled = self.network.forward_head(last, pre_logits=True)
        except (RuntimeError, AssertionError, AttributeError, TypeError, ValueError) as error:
            raise BenchmarkError(
                f"{self.origin.architecture} does not take images of {size} pixels: {_one_line(error)}"
            ) from error
        finally:
            self.network.train(training)
        if not (isinstance(last, Tensor) and last.ndim in (3, 4) and isinstance(pooled, Tensor) and pooled.ndim == 2):
            raise BenchmarkError(f"{self.origin.architecture} gives neither a map nor tokens, so it is no encoder here")
        return last, pooled

    def _tokens(self, last: Tensor) -> Tensor:
        if last.ndim == 3:
            return last[:, self._prefix :]
        return last.flatten(1, 2) if self._channels_last else last.flatten(2).transpose(1, 2)

    def _intermediates(self, is_map: bool) -> Iterator[tuple[str, int]]:
        """Name -> timm's number of an intermediate map."""
        if not hasattr(self.network, "forward_intermediates"):
            return
        for index, info in enumerate(_maps(self.network)):
            if not is_map:
                yield f"block{index + 1}", index
            elif info["reduction"] in STRIDES:
                yield STRIDES[info["reduction"]], index

    def pooled(self, images: Tensor) -> Tensor:
        return at_least_float32(self.network.forward_head(self.network.forward_features(self.prepare(images)), pre_logits=True))

    def patch(self, images: Tensor) -> Tensor:
        return at_least_float32(self._tokens(self.network.forward_features(self.prepare(images))))

    @property
    def feature_names(self) -> tuple[str, ...]:
        return (*super().feature_names, *self._indices)

    def features(self, images: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
        """One pass for `pooled` and `patch`, another for maps: in some networks a head's convolution lies between."""
        self.check_features(names)
        given: dict[str, Tensor] = {}
        prepared = self.prepare(images)
        if {"pooled", "patch"} & set(names):
            last = self.network.forward_features(prepared)
            given["patch"] = at_least_float32(self._tokens(last))
            given["pooled"] = at_least_float32(self.network.forward_head(last, pre_logits=True))
        if wanted := sorted({self._indices[name] for name in names if name in self._indices}):
            maps = self.network.forward_intermediates(prepared, indices=wanted, intermediates_only=True)
            at = dict(zip(wanted, maps, strict=True))
            given |= {name: at_least_float32(at[index]) for name, index in self._indices.items() if index in at}
        return {name: given[name] for name in names}

    def dense(self, images: Tensor, names: Sequence[str]) -> dict[str, Layer]:
        if not self._prefix or not names:
            return super().dense(images, names)
        self.check_features(names)
        return layers_of(self.network, self.prepare(images), {name: self._indices[name] for name in names})


def layers_of(network: Any, prepared: Tensor, indices: Mapping[str, int]) -> dict[str, Layer]:
    """Map and class token after the numbered blocks of a vision transformer that has one; its registers are left out."""
    wanted = sorted(set(indices.values()))
    given = network.forward_intermediates(
        prepared, indices=wanted, return_prefix_tokens=True, stop_early=True, intermediates_only=True
    )
    at = {index: Layer(*map(at_least_float32, (x, prefix[:, 0]))) for index, (x, prefix) in zip(wanted, given, strict=True)}
    return {name: at[index] for name, index in indices.items()}


def build(
    network: Network,
    size: int | None,
    look: int,
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
) -> TimmEncoder:
    return TimmEncoder(network, look, size, mean=tuple(mean), std=tuple(std))


def fill(target: nn.Module, network: Network, size: int | None, tensors: Mapping[str, Tensor]) -> None:
    """Give a network without a classifier the tensors of a checkpoint, whatever classifier that has.

    timm renames and resizes what its own checkpoints need. It is asked for a network with as many classes as the checkpoint
    has, because only then does it insist that no tensor is missing and none is left over.
    """
    whole = _whole(network, size, tensors).state_dict()
    wanted = target.state_dict()
    absent = [name for name in wanted if name not in whole or whole[name].shape != wanted[name].shape]
    if absent:
        raise Corrupt(f"{network.architecture} without its classifier has other tensors: {', '.join(absent[:3])}")
    target.load_state_dict({name: whole[name] for name in wanted})


def _whole(network: Network, size: int | None, tensors: Mapping[str, Tensor]) -> nn.Module:
    published = network.published
    heads = published.classifier if published else None
    head = heads[0] if isinstance(heads, tuple | list) else heads
    named = [len(tensors[f"{head}.weight"])] if f"{head}.weight" in tensors else []
    attempts = dict.fromkeys([*named, *([published.num_classes] if published else []), 0])
    failures = []
    for classes in attempts:
        overlay = {"state_dict": dict(tensors), "num_classes": classes, "custom_load": False, "file": None, "source": ""}
        try:
            return network.create(size, classes, pretrained=True, pretrained_cfg_overlay=overlay)
        except (RuntimeError, KeyError, ValueError, TypeError, AttributeError, AssertionError) as error:
            failures.append(_one_line(error))
    raise Corrupt(f"it holds the weights of another network than {network.architecture}: {failures[0][:300]}")


def _maps(network: Any) -> list[dict[str, Any]]:
    info = getattr(network, "feature_info", [])
    return list(getattr(info, "info", info))


def _timm() -> Any:
    """Imported where a network is looked up or built: it takes seconds, and a plan without such rows has no use for it."""
    import timm

    return timm


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
