"""RLDS episodes in TFRecord files (Open X-Embodiment and others): one record is one episode.

`features.json`, where TFDS left one, says which field has which shape, type and encoding; without it the number of images is
the number of steps. A camera that an episode lacks is stored as one image repeated, and the `has_image` flags cannot be
trusted, so a camera counts as absent where all its images are the same bytes: in no episode present, it is left out; in some,
those have black frames and say so in their info.

RLDS says neither the rate nor what actions mean. `recording.json` in the folder may, as in a plain folder (folder.py).
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.contracts.data import Episode
from benchmark.core.errors import BenchmarkError
from benchmark.datasets.budget import allow
from benchmark.datasets.files import decode_picture, natural, read_json, reading
from benchmark.datasets.source import FACTS, NUMBERS, Description, Source, make_episode, stated
from benchmark.datasets.tfrecord import Values, parse, records

LARGEST = 2**26  # bytes of a deflated tensor, whatever shape it has
TENSOR_COST = 3  # bytes per byte of a tensor: as bytes, in the array of all, as numbers
MAGIC = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF")
VERSION = re.compile(r"\d+(\.\d+)*")  # a folder of one; any other folder is another data set
STEPS = "steps/"
OBSERVATION = f"{STEPS}observation/"


class Rlds(Source):
    format = "rlds"
    looks_like = "a folder of *.tfrecord files, with features.json if TFDS wrote them, or the folder of its versions"

    def __init__(self, path: Path):
        super().__init__(_folder(path))
        shards = [path] if path.is_file() else _shards(self.path)
        if not shards:
            raise BenchmarkError(f"{path} holds no *.tfrecord files")
        train = [shard for shard in shards if "-train.tfrecord" in shard.name and shard != path]
        self._shards = train or shards
        self._notes = ["split: train"] if train and len(train) < len(shards) else []
        self._said = stated(path if path.is_dir() and (path / FACTS).is_file() else self.path)
        self._features_file = self.path / "features.json"
        self._features = _described(self._features_file) if self._features_file.is_file() else {}
        self._counts = dict.fromkeys(self._shards, 0)
        self._action_names: tuple[str, ...] | None = None
        seen: dict[str, bool] = {}
        for shard in self._shards:
            for payload in records(shard):
                where = f"{shard}, record {self._counts[shard]}"
                record = parse(payload, where)
                for name, images in self._cameras(record).items():
                    seen[name] = seen.get(name, False) or _present(images)
                    if self._action_names is None and images:
                        self._action_names = self._named(record, f"{STEPS}action", len(images), where)
                self._counts[shard] += 1
        if not any(seen.values()):
            raise BenchmarkError(f"{self.path}: no record holds images that change")
        self._views = sorted(name for name, present in seen.items() if present)
        if absent := sorted(set(seen) - set(self._views)):
            self._notes.append(f"absent cameras: {', '.join(absent)}")

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return bool(_shards(_folder(path)))

    def describe(self) -> Description:
        hz, actions = self._said
        if not actions.names and self._action_names:
            actions = replace(actions, names=self._action_names)
        return Description(tuple(map(_view, self._views)), sum(self._counts.values()), hz, actions, tuple(self._notes))

    def files(self) -> list[Path]:
        return [*self._shards, *([self._features_file] if self._features else [])]

    def _stream(self, start: int, side: int | None) -> Iterator[Episode]:
        for shard, count in self._counts.items():
            for number, payload in enumerate(records(shard, min(start, count)), min(start, count)):
                yield self._episode(parse(payload, f"{shard}, record {number}"), side, f"{shard}, record {number}")
            start = max(0, start - count)

    def _episode(self, record: Mapping[str, Values], side: int | None, where: str) -> Episode:
        cameras = self._cameras(record)
        present = [name for name in self._views if _present(cameras.get(name, []))]
        if not present:
            raise BenchmarkError(f"{where}: all cameras are absent, or the episode is empty")
        steps = len(cameras[present[0]])
        views: dict[str, Any] = {name: (decode_picture(data, where) for data in cameras[name]) for name in present}
        if absent := [name for name in self._views if name not in present]:
            size = decode_picture(cameras[present[0]][0], where).shape
            views |= {name: (np.zeros(size, np.uint8) for _ in range(steps)) for name in absent}
        actions = self._numbers(record, f"{STEPS}action", steps, where)
        if actions is None:
            raise BenchmarkError(f"{where} has no {STEPS}action; it has {', '.join(sorted(record))}")
        text = record.get(f"{STEPS}language_instruction", record.get(f"{STEPS}observation/natural_language_instruction", []))
        info: dict[str, Any] = {"absent_views": [_view(name) for name in absent]} if absent else {}
        if len(text) and isinstance(text[0], bytes):
            info["task"] = text[0].decode(errors="replace")
        if (embedded := self._embedding(record, steps, where)) is not None:
            info["language"] = embedded.tolist()
        return make_episode(
            {name: views[name] for name in self._views},
            side,
            where,
            actions=actions,
            proprio=self._proprio(record, steps, where),
            info=info,
        )

    def _cameras(self, record: Mapping[str, Values]) -> dict[str, list[bytes]]:
        """Colour images by field name: those that features.json calls so, or whatever begins like a JPEG, PNG or WebP."""
        found = {}
        for name, values in record.items():
            kind, spec = self._features.get(name, ("", {}))
            if not isinstance(values, list) or not name.startswith(STEPS) or "depth" in name:
                continue
            colour = not spec or spec["shape"][-1:] in ([], [3])
            if colour and (kind == "image" or (not kind and values and values[0].startswith(MAGIC))):
                found[name] = values
        return found

    def _proprio(self, record: Mapping[str, Values], steps: int, where: str) -> np.ndarray | None:
        """`state` or `proprio` of the observation, or all its numbers but embeddings of text and what is ragged."""
        names = [f"{OBSERVATION}{name}" for name in ("state", "proprio") if f"{OBSERVATION}{name}" in record]
        left_out = ("embedding", "/ragged_")  # the latter: lists of a length of their own at each step
        others = (n for n in record if n.startswith(OBSERVATION) and not any(word in n for word in left_out))
        candidates = names[:1] or sorted(others)
        columns = [self._numbers(record, name, steps, where) for name in candidates]
        kept = [column for column in columns if column is not None]
        return np.concatenate(kept, axis=1) if kept else None

    def _embedding(self, record: Mapping[str, Values], steps: int, where: str) -> np.ndarray | None:
        """Of the instruction at the first step; one of zeros stands for none."""
        for name in (f"{STEPS}language_embedding", f"{OBSERVATION}natural_language_embedding"):
            embedded = self._numbers(record, name, steps, where)
            if embedded is not None and embedded[0].any():
                return embedded[0]
        return None

    def _named(self, record: Mapping[str, Values], name: str, steps: int, where: str) -> tuple[str, ...]:
        """What the numbers of an action are, where it has several fields: their names, numbered where a field has several."""
        if name in record:
            return ()
        names: list[str] = []
        for field in sorted(n for n in record if n.startswith(f"{name}/")):
            numbers = self._numbers(record, field, steps, where)
            width, called = 0 if numbers is None else numbers.shape[1], field.removeprefix(f"{name}/")
            names += [called] if width == 1 else [f"{called}_{index}" for index in range(width)]
        return tuple(names)

    def _numbers(self, record: Mapping[str, Values], name: str, steps: int, where: str) -> np.ndarray | None:
        """A numeric field, or the numeric fields below it side by side, as (steps, width)."""
        if name not in record:
            below = sorted(n for n in record if n.startswith(f"{name}/"))
            parts = [part for n in below if (part := self._numbers(record, n, steps, where)) is not None]
            return np.concatenate(parts, axis=1) if parts else None
        values, (kind, spec) = record[name], self._features.get(name, ("", {}))
        if isinstance(values, list):
            if kind != "tensor" or spec.get("dtype") in ("string", "object"):
                return None
            values = _tensors(values, spec, where, name)
        if values.size == 0 or values.size % steps:
            raise BenchmarkError(f"{where}: {name} has {values.size} numbers, which do not divide into {steps} steps")
        return values.reshape(steps, -1).astype(np.float32)


def _tensors(values: list[bytes], spec: Mapping[str, Any], where: str, name: str) -> np.ndarray:
    """Tensors that TFDS stored as bytes, deflated (`encoding: zlib`) or not. Nothing inflates to more than its shape needs."""
    with reading(f"{where}: {name}"):
        dtype = np.dtype(spec["dtype"])
        known = all(size > 0 for size in spec["shape"])
        limit = min(dtype.itemsize * math.prod(spec["shape"]), LARGEST) if known else LARGEST
        if dtype.kind not in NUMBERS:
            raise ValueError(f"a tensor of {dtype}, expected numbers")
        raw, total = [], 0
        for value in values:
            raw.append(_inflate(value, limit) if spec.get("encoding") == "zlib" else value)
            total += len(raw[-1])
            allow(TENSOR_COST * total, f"{where}: {name}, unpacked,")
        return np.stack([np.frombuffer(value, dtype) for value in raw])


def _inflate(value: bytes, limit: int) -> bytes:
    inflater = zlib.decompressobj()
    data = inflater.decompress(value, limit + 1)
    if len(data) > limit or not inflater.eof:
        raise ValueError(f"a deflated tensor is truncated, or holds more than the {limit} bytes of its shape")
    return data


def _present(images: list[bytes]) -> bool:
    return bool(images) and all(images) and (len(images) == 1 or len(set(images)) > 1)


def _described(path: Path) -> dict[str, tuple[str, dict[str, Any]]]:
    with reading(path):
        return _flatten(read_json(path))


def _flatten(feature: Mapping[str, Any], name: str = "") -> dict[str, tuple[str, dict[str, Any]]]:
    """features.json -> field name as in the records -> (kind, its description, whose shape is a list of numbers)."""
    if "featuresDict" in feature:
        parts = feature["featuresDict"]["features"].items()
        return {k: v for key, inner in parts for k, v in _flatten(inner, f"{name}/{key}" if name else key).items()}
    if "sequence" in feature:
        return _flatten(feature["sequence"]["feature"], name)
    kind = next((kind for kind in ("image", "tensor", "text") if kind in feature), "")
    if not kind:
        return {}
    spec = feature[kind] or {}
    return {name: (kind, {**spec, "shape": [int(size) for size in (spec.get("shape") or {}).get("dimensions", [])]})}


def _view(name: str) -> str:
    """What to call a camera: its path below the observation."""
    return name.removeprefix(OBSERVATION).removeprefix(STEPS).replace("/", "_")


def _shards(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.tfrecord*") if path.is_file()) if folder.is_dir() else []


def _folder(path: Path) -> Path:
    """The folder of the newest version, where versions lie below."""
    if path.is_dir() and not _shards(path):
        versions = sorted((p for p in path.iterdir() if VERSION.fullmatch(p.name) and _shards(p)), key=natural)
        return versions[-1] if versions else path
    return path.parent if path.is_file() and ".tfrecord" in path.name else path
