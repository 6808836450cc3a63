"""An encoder as files that others read without this package.

Where timm can build the network, the files are in timm's layout (model.safetensors and config.json, as on the hub). Where it
cannot, a ResNet narrower than it knows or a network of one's own, the computation goes along: encoder.pt2, of torch.export.
Which of the two is decided by looking: timm's network has to give the same features.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors.torch import save_file
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from benchmark.contracts.encoder import Encoder
from benchmark.core.errors import BenchmarkError
from benchmark.models.encoders import ConvEncoder, ViTEncoder
from benchmark.models.hub import CONFIG, WEIGHTS
from benchmark.models.timm_encoder import Network, TimmEncoder

PROGRAM = "encoder.pt2"
LARGEST_BATCH = 4096  # images that a program takes at once


@dataclass(frozen=True)
class Portable:
    """What was written, and the lines that load it: `frames` there are (N, 3, H, W), uint8; FOLDER is where the files are."""

    files: tuple[str, ...]
    lines: tuple[str, ...]


def write(encoder: Encoder, folder: Path, resolution: int) -> Portable:
    """The weights, and timm's configuration or the computation."""
    if encoder.reads != "frames":
        raise BenchmarkError(
            f"a {type(encoder).__name__} reads the {encoder.reads} of a simulator, not images: nobody can take it"
        )
    if encoder.with_depth:
        raise BenchmarkError(f"a {type(encoder).__name__} that takes depth with its images has no layout that others read")
    folder.mkdir(parents=True, exist_ok=True)
    encoder = encoder.cpu().eval().requires_grad_(False)
    frames = torch.randint(
        0, 256, (2, 3, resolution, resolution), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    for candidate in _in_timm(encoder):
        if candidate.same(encoder, frames):
            return candidate.write(encoder, folder)
    return _as_program(encoder, folder, frames)


@dataclass(frozen=True)
class _TimmCopy:
    network: Network
    trunk: nn.Module

    def same(self, encoder: Any, frames: Tensor) -> bool:
        try:
            copy = self.network.create(encoder.size).eval()
            copy.load_state_dict(self.trunk.state_dict())
            with torch.no_grad():
                features = copy(encoder.prepare(frames))
        except (RuntimeError, BenchmarkError):
            return False
        ours = encoder.pooled(frames)
        return features.shape == ours.shape and bool((features - ours).abs().max() <= 1e-5 * ours.abs().max())

    def write(self, encoder: Any, folder: Path) -> Portable:
        mean, std = (tensor.flatten().tolist() for tensor in (encoder.mean, encoder.std))
        architecture, _, tag = self.network.architecture.partition(".")
        arguments = {**self.network.arguments, **({"img_size": encoder.size} if self.network.tied else {})}
        side = encoder.size or 224
        config = {
            "architecture": architecture,
            "num_classes": 0,
            "num_features": encoder.dim,
            "model_args": arguments,
            "pretrained_cfg": {
                "tag": tag or None,
                "input_size": [3, side, side],
                "fixed_input_size": self.network.tied,
                "interpolation": "bicubic",
                "crop_pct": 1.0,
                "mean": mean,
                "std": std,
                "num_classes": 0,
                "first_conv": None,
                "classifier": None,
            },
        }
        _save(self.trunk, folder / WEIGHTS[0])
        (folder / CONFIG).write_text(json.dumps(config, indent=1) + "\n")
        resized = "frames.float() / 255"
        if encoder.size:
            resized = f"F.interpolate({resized}, ({side}, {side}), mode='bicubic', antialias=True)"
        channels = f"torch.tensor({[mean, std]}).view(2, 3, 1, 1)"
        return Portable(
            (WEIGHTS[0], CONFIG),
            (
                "import timm, torch; from torch.nn import functional as F",
                "network = timm.create_model('local-dir:FOLDER', pretrained=True, num_classes=0).eval()",
                f"mean, std = {channels}; features = network(({resized} - mean) / std)",
            ),
        )


def _in_timm(encoder: Any) -> Sequence[_TimmCopy]:
    match encoder:
        case TimmEncoder():
            return [_TimmCopy(encoder.origin, encoder.network)]
        case ConvEncoder():
            return [_TimmCopy(Network("resnet18"), encoder.trunk)]
        case ViTEncoder(vit=VisionTransformer() as vit):
            shape = {
                "patch_size": vit.patch_embed.patch_size[0],
                "embed_dim": vit.embed_dim,
                "depth": len(vit.blocks),
                "num_heads": vit.blocks[0].attn.num_heads,  # type: ignore[union-attr]
            }
            return [
                _TimmCopy(Network("vit_base_patch16_224", shape), vit),
                _TimmCopy(Network("vit_small_patch14_dinov2", shape), vit),
            ]
    return []


def _as_program(encoder: Encoder, folder: Path, frames: Tensor) -> Portable:
    batch = torch.export.Dim("batch", min=1, max=LARGEST_BATCH)
    try:
        program = torch.export.export(encoder, (frames,), dynamic_shapes=({0: batch},))
    except Exception as error:  # whatever torch cannot trace in a network of one's own
        raise BenchmarkError(f"torch.export cannot follow {type(encoder).__name__}: {str(error).splitlines()[0]}") from error
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "No complete tensor found", UserWarning)  # of views into one storage; all are written
        torch.export.save(program, folder / PROGRAM)
    _save(encoder, folder / WEIGHTS[0])
    return Portable(
        (WEIGHTS[0], PROGRAM),
        (
            "import torch",
            f"encoder = torch.export.load('FOLDER/{PROGRAM}').module()",
            "features = encoder(frames)",
        ),
    )


def _save(network: nn.Module, path: Path) -> None:
    tensors = {name: tensor.detach().contiguous().clone() for name, tensor in network.state_dict().items()}
    save_file(tensors, path, metadata={"format": "pt", "timm": timm.__version__})
