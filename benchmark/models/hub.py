"""Files of the Hugging Face hub and of timm on this machine: where they lie, and what they hold.

Looked for in this order; the first counts:

    <folder>/hub/<org>/<name>/<file>      put there by hand; the folder is that of `benchmark.models.weights`
    the cache of huggingface_hub          refs and snapshots; HF_HOME, HF_HUB_CACHE
    the cache of torch.hub                TORCH_HOME; under the name that the address of the file ends in
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from benchmark.core.errors import Corrupt
from benchmark.models.weights import folder, read, short
from benchmark.storage.files import checksum

CONFIG = "config.json"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")  # what timm calls them, the better first


@dataclass(frozen=True)
class Repository:
    """One on the hub, and its files that hold the weights, the better first; `url` is where timm had them before."""

    id: str
    files: tuple[str, ...] = WEIGHTS
    url: str = ""

    @property
    def place(self) -> Path:
        """Where a file that was downloaded elsewhere is put."""
        return folder() / "hub" / self.id

    def find(self, *names: str) -> Path | None:
        """The first of these files that is here."""
        return next((path for name in names or self.files if (path := self._find(name))), None) or self._of_torch_hub(names)

    def _find(self, name: str) -> Path | None:
        if (path := self.place / name).is_file():
            return path
        from huggingface_hub import try_to_load_from_cache  # not above: a tenth of a second, in every plan

        cached = try_to_load_from_cache(self.id, name) if self.id else None
        return Path(cached) if isinstance(cached, str) and Path(cached).is_file() else None

    def _of_torch_hub(self, names: tuple[str, ...]) -> Path | None:
        if names or not self.url:
            return None
        path = Path(torch.hub.get_dir()) / "checkpoints" / self.url.rpartition("/")[2]
        return path if path.is_file() else None

    def missing(self, row: str, *names: str) -> str:
        """What to do about it."""
        name = (names or self.files)[0]
        return f"{name} of {self.id} is not here: python -m benchmark weights fetch {row} (or put it into {short(self.place)})"


def digest(path: Path) -> str:
    """`sha256:...` of a file; it is read again when its size or time has changed."""
    facts = path.stat()
    return _digest(path, facts.st_size, facts.st_mtime_ns)


@cache
def _digest(path: Path, size: int, modified: int) -> str:
    return f"sha256:{checksum(path)}"


def read_config(path: Path) -> Mapping[str, Any]:
    """timm's config.json: `architecture`, `model_args`, `pretrained_cfg` with `mean`, `std` and `input_size`."""
    try:
        config = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise Corrupt(f"{path} cannot be read: {error}") from error
    if not isinstance(config, dict) or not isinstance(config.get("architecture"), str):
        kind = config.get("model_type") if isinstance(config, dict) else None
        other = f" (it is of transformers, a {kind})" if kind else ""
        raise Corrupt(f'{path} names no network of timm{other}: it needs "architecture", e.g. "resnet34"')
    return config


def tensors_of(path: Path) -> dict[str, Tensor]:
    """The named tensors of a checkpoint, out of the layers that trainers wrap them in. Nothing in the file is executed."""
    return _unwrapped(read(path))


def shapes_of(path: Path) -> dict[str, Tensor]:
    """The same without their numbers, on the meta device: a look at the header."""
    if path.suffix != ".safetensors":
        return {name: tensor.to("meta") for name, tensor in tensors_of(path).items()}
    try:
        with safe_open(path, "pt") as file:
            return {name: torch.empty(file.get_slice(name).get_shape(), device="meta") for name in file.keys()}  # noqa: SIM118
    except Exception as error:  # whatever a parser says of a foreign file
        raise Corrupt(f"{path.name} cannot be read: {error}") from error


def _unwrapped(content: Mapping[str, Any]) -> dict[str, Tensor]:
    for name in ("state_dict", "model"):
        if isinstance(content.get(name), Mapping):
            content = content[name]
    return {name.removeprefix("module."): tensor for name, tensor in content.items() if isinstance(tensor, Tensor)}
