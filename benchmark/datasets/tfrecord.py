"""TFRecord files and the `tf.train.Example` messages in them, without TensorFlow.

A record is its length (u64) and the masked CRC-32C of that, then the payload and the masked CRC-32C of that. An Example is
`Features`, a map from names to lists of bytes, floats or integers; a SequenceExample holds such a map for the episode and
another whose values are one list per step.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmark.core.errors import BenchmarkError
from benchmark.core.protobuf import LONGEST, fields, part
from benchmark.datasets.budget import advanced, allow
from benchmark.datasets.crc32c import crc32c
from benchmark.datasets.files import existing

Values = list[bytes] | np.ndarray
RECORD_COST = 4  # bytes per byte of a record: the record, the copies its checksum takes, its parts


def records(path: Path, start: int = 0) -> Iterator[bytes]:
    """The payloads of a file from record `start` on, each checked."""
    size = existing(path).stat().st_size
    with path.open("rb") as file:
        number = 0
        while header := file.read(12):
            where = f"{path}, record {number}"
            if len(header) < 12:
                raise BenchmarkError(f"{where} is truncated in its header")
            _check(header[:8], header[8:], f"{where}, length")
            length = struct.unpack("<Q", header[:8])[0]
            if file.tell() + length + 4 > size:
                raise BenchmarkError(f"{where} is truncated: {length} bytes are announced, the file ends before")
            allow(RECORD_COST * length, where)
            if number < start:
                file.seek(length + 4, 1)
            else:
                payload = file.read(length)
                _check(payload, file.read(4), where)
                yield payload
            number += 1
            advanced()


def _check(data: bytes, stored: bytes, where: str) -> None:
    crc = crc32c(data)
    masked = (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
    if masked != struct.unpack("<I", stored)[0]:
        raise BenchmarkError(f"{where} does not match its checksum: no TFRecord, or damaged")


def parse(payload: bytes, where: str) -> dict[str, Values]:
    """An Example or a SequenceExample as one flat map; lists of steps are joined."""
    try:
        found: dict[str, Values] = {}
        for field, message in fields(payload):
            for _, entry in fields(part(message)):
                name, value = _entry(part(entry))
                found[name] = _feature(value) if field == 1 else _join([_feature(part(v)) for _, v in fields(value)])
        return found
    except (IndexError, KeyError, ValueError) as error:
        raise BenchmarkError(f"{where} holds no tf.train.Example: {error}") from error


def _entry(message: bytes) -> tuple[str, bytes]:
    parts = {field: part(value) for field, value in fields(message)}
    return parts[1].decode(), parts.get(2, b"")


def _feature(message: bytes) -> Values:
    for kind, value in fields(message):
        items = list(fields(part(value)))
        if kind == 1:
            return [part(item) for _, item in items]
        if kind == 2:  # floats, packed or one by one
            return np.frombuffer(b"".join(part(item) for _, item in items), "<f4")
        if kind == 3:
            return np.concatenate([_varints(item) for _, item in items]) if items else np.zeros(0, np.int64)
    return []


def _join(steps: list[Values]) -> Values:
    if all(isinstance(step, list) for step in steps):
        return [item for step in steps for item in step]
    return np.concatenate([np.asarray(step) for step in steps if len(step)])


def _varints(item: bytes | int) -> np.ndarray:
    """One number, or packed ones: seven bits a byte, lowest first, the highest bit says that more follow."""
    if isinstance(item, int):
        return np.array([item], np.uint64).view(np.int64)
    data = np.frombuffer(item, np.uint8)
    ends = np.flatnonzero(data < 128)
    if len(data) and (not len(ends) or ends[-1] != len(data) - 1):
        raise ValueError("the last number has no end")
    starts = np.concatenate([[0], ends[:-1] + 1])[: len(ends)]
    if (sizes := ends - starts + 1).max(initial=0) > LONGEST:
        raise ValueError("a number of more than ten bytes")
    shifts = (np.arange(len(data)) - np.repeat(starts, sizes)).astype(np.uint64) * np.uint64(7)
    parts = (data & 127).astype(np.uint64) << shifts
    return np.add.reduceat(parts, starts).view(np.int64) if len(ends) else np.zeros(0, np.int64)
