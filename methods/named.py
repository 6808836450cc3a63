"""Any published encoder by name, frozen: a row is `timm:NAME`, `hf:ORG/NAME` or `file:PATH`, and no file has to be written.

Architecture, normalisation and the size of images are what timm's configuration says of a network: its own record, or the
config.json beside the weights. As with other published encoders, frames are resized with antialiasing (bicubic) and never
cropped. `ROW@random` is the same network and preprocessing at timm's initialisation, another for each training seed: what a row
owes to its weights is its distance to that. Weights have to give every tensor of the network a value, with none left over but
a classifier's; the sha256 of the file that is read is part of the row's identity, and is compared when it is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import torch

from benchmark.contracts.data import DataSpec
from benchmark.contracts.encoder import Encoder
from benchmark.contracts.method import Method, MethodConfig
from benchmark.contracts.specs import Presets, require
from benchmark.core.errors import BenchmarkError, Corrupt, Unavailable, UnknownName
from benchmark.models.hub import CONFIG, WEIGHTS, Repository, digest, read_config, shapes_of, tensors_of
from benchmark.models.images import IMAGENET_MEAN, IMAGENET_STD
from benchmark.models.timm_encoder import NATIVE, Network, build, fill, nearest_size


@dataclass
class NamedConfig(MethodConfig):
    """`size` is for the user; what follows `pretrained` comes from the address."""

    size: int | None = None  # pixels, rounded down to what the network can cut up; None: what timm says
    pretrained: bool = True  # False: the same network and preprocessing, untrained
    address: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)  # of `timm.create_model`
    native: int = NATIVE
    mean: list[float] = field(default_factory=lambda: list(IMAGENET_MEAN))
    std: list[float] = field(default_factory=lambda: list(IMAGENET_STD))
    sha256: str = ""  # of the file of weights; empty: it is not here, or not read

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.size is None or self.size >= 32, f"size must be at least 32 pixels, not {self.size}")
        if not self.pretrained:
            self.sha256 = ""  # a network that reads no file is the same whether there is one

    @property
    def network(self) -> Network:
        return Network(self.backbone, self.arguments)

    @property
    def pixels(self) -> int:
        wanted = self.size or self.native
        return nearest_size(self.network, wanted) or wanted


class Named(Method):
    """A network of timm's with weights from somewhere: a subclass says where."""

    Config = NamedConfig
    variants = {"random": {"pretrained": False}}
    learns = False
    addressed = True

    def __init__(self, config: Any, data: DataSpec):
        super().__init__(config, data)
        if config.pretrained:
            path = self.locate(config.address)
            if path is None:
                raise Unavailable(str(self.unavailable_reason(config)))
            if digest(path) != config.sha256:
                raise Corrupt(f"{path} is not the file that was planned with: its sha256 is {digest(path)}")
            (network,) = self.encoder.children()
            fill(network, config.network, config.pixels, tensors_of(path))
        self.requires_grad_(False)

    @classmethod
    def locate(cls, address: str) -> Path | None:
        """The file of weights, if it is here."""
        raise NotImplementedError

    @classmethod
    def missing(cls, address: str) -> str:
        """What to do where it is not."""
        raise NotImplementedError

    @classmethod
    def build_encoder(cls, config: Any, data: DataSpec) -> Encoder:
        size = config.pixels
        return build(config.network, size=size, look=size, mean=config.mean, std=config.std)

    @classmethod
    def seeded(cls, config: Any) -> bool:
        return not config.pretrained

    @classmethod
    def licence(cls, config: Any) -> str:
        """What timm says; the licence of a repository or a file is not in its configuration."""
        if not config.pretrained:
            return ""
        return (config.network.published.license if cls is Timm else None) or f"that of {cls.name}:{config.address}"

    @classmethod
    def unavailable_reason(cls, config: Any) -> str | None:
        if not config.pretrained:
            return None
        if not config.address:
            return f"a row needs a name: {cls.source}"
        path = cls.locate(config.address)
        return _misfit(path, config) if path else cls.missing(config.address)

    @classmethod
    def files(cls, config: Any) -> Mapping[str, Path | str]:
        """The sha256 stands in the config, too, where `__init__` compares it with the file."""
        return {config.address: config.sha256 or "absent"} if config.pretrained else {}


def _misfit(path: Path, config: NamedConfig) -> str | None:
    """Why the tensors of a file are not those of the network, from the shapes that its header names."""
    try:
        with torch.device("meta"):
            fill(config.network.create(config.pixels), config.network, config.pixels, shapes_of(path))
    except Corrupt as error:
        return f"{path.name}: {error}"
    except NotImplementedError:
        return None  # timm looks at the numbers of this one; it is compared when it is read
    return None


def _settings(address: str, architecture: str, path: Path | None, published: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "address": address,
        "backbone": architecture,
        "native": (published.get("input_size") or (3, NATIVE))[1],
        "mean": list(published.get("mean") or IMAGENET_MEAN),
        "std": list(published.get("std") or IMAGENET_STD),
        "sha256": digest(path) if path else "",
    }


def _from_config(address: str, config: Mapping[str, Any], path: Path | None) -> dict[str, Any]:
    import timm

    architecture = config["architecture"]
    if not timm.is_model(architecture):
        raise _unknown(architecture, timm.list_models())
    published = config.get("pretrained_cfg") or config
    return {**_settings(address, architecture, path, published), "arguments": dict(config.get("model_args") or {})}


def _unknown(name: str, known: Sequence[str]) -> UnknownName:
    return UnknownName("timm network", name, known, "timm.list_models() and timm.list_pretrained()")


class Timm(Named):
    """A network of timm's with the weights that timm names: `timm:resnet34` with its first tag, or `timm:resnet34.a1_in1k`."""

    name = "timm"
    presets: ClassVar[Presets] = {"smoke": {"size": 112}, "quick": {"size": 112}}  # as other published encoders
    source = "timm:NAME, e.g. timm:vit_small_patch14_dinov2 or timm:resnet34@random"

    @classmethod
    def at(cls, address: str) -> Mapping[str, Any]:
        published = _published(address)
        tagged = f"{published.architecture}.{published.tag}" if published.tag else address
        return _settings(address, tagged, cls.locate(address), published.to_dict())

    @classmethod
    def repository(cls, address: str) -> Repository:
        published = _published(address)
        files = (published.hf_hub_filename,) if published.hf_hub_filename else WEIGHTS
        return Repository(published.hf_hub_id or "", files, published.url or "")

    @classmethod
    def locate(cls, address: str) -> Path | None:
        return cls.repository(address).find()

    @classmethod
    def missing(cls, address: str) -> str:
        repository = cls.repository(address)
        if not repository.id and not repository.url:
            return f"timm has no weights of {address}: take timm:{address}@random"
        return repository.missing(f"timm:{address}")


@cache
def _published(name: str) -> Any:
    """timm's record of a network; an empty one where it has no weights."""
    import timm

    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        raise _unknown(name, timm.list_models())
    if tag and name not in (tagged := timm.list_pretrained(f"{architecture}.*")):
        raise _unknown(name, tagged)
    return timm.get_pretrained_cfg(name) or timm.models.PretrainedCfg(architecture=architecture)


class Hub(Named):
    """A repository of the Hugging Face hub in timm's layout: config.json and model.safetensors."""

    name = "hf"
    source = "hf:ORG/NAME, a repository of the hub in timm's layout"

    @classmethod
    def at(cls, address: str) -> Mapping[str, Any]:
        repository = cls.repository(address)
        config = repository.find(CONFIG)
        if config is None:
            raise Unavailable(f"hf:{address}: {repository.missing(f'hf:{address}', CONFIG)}")
        return _from_config(address, read_config(config), repository.find())

    @classmethod
    def repository(cls, address: str) -> Repository:
        organisation, _, name = address.partition("/")
        if not (organisation and name) or "/" in name or ".." in address:
            raise BenchmarkError(f"'hf:{address}' is not hf:ORG/NAME")
        return Repository(address)

    @classmethod
    def locate(cls, address: str) -> Path | None:
        return cls.repository(address).find()

    @classmethod
    def missing(cls, address: str) -> str:
        return cls.repository(address).missing(f"hf:{address}")


class File(Named):
    """A checkpoint of one's own, or the folder of one, with what it is beside it: NAME.json, or config.json as on the hub."""

    name = "file"
    source = "file:PATH, a checkpoint of a timm network with config.json beside it"

    @classmethod
    def at(cls, address: str) -> Mapping[str, Any]:
        path = cls.locate(address)
        if path is None:
            raise BenchmarkError(cls.missing(address))
        beside = [path.with_suffix(".json"), path.with_name(CONFIG)]
        config = next((card for card in beside if card.is_file()), None)
        if config is None:
            names = " or ".join(str(card) for card in beside)
            raise BenchmarkError(f'file:{address}: what network is it? Write {{"architecture": "resnet34"}} into {names}')
        return _from_config(address, read_config(config), path)

    @classmethod
    def locate(cls, address: str) -> Path | None:
        path = Path(address).expanduser()
        return next((found for found in (path, *(path / name for name in WEIGHTS)) if found.is_file()), None)

    @classmethod
    def missing(cls, address: str) -> str:
        path = Path(address).expanduser()
        near = sorted(file.name for file in path.parent.glob("*") if file.suffix in (".safetensors", ".pt", ".pth", ".bin"))
        return f"there is no file {address}" + (f"; beside it there are {', '.join(near[:5])}" if near else "")
