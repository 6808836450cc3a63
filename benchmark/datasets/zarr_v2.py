"""Reads numeric arrays of zarr version 2, the format of Diffusion Policy's data sets.

The zarr package would do it too, but treats a missing chunk as zeros and would run any codec that the metadata names. Here the
metadata may name blosc only, and every byte is accounted for before it is decoded.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np

from benchmark.core.errors import BenchmarkError
from benchmark.datasets.budget import advanced, allow
from benchmark.datasets.files import read_json

HEADER = struct.Struct("<4B3I")  # blosc: versions, flags, item size; bytes decoded, block size, bytes stored


class ZarrArray:
    """An array in a folder, chunked along its first axis."""

    def __init__(self, folder: Path):
        self.folder = folder
        path = folder / ".zarray"
        if not path.is_file():
            raise BenchmarkError(f"{path} does not exist; expected a zarr version 2 array")
        try:
            meta = read_json(path)
            self.shape, chunk = tuple(map(int, meta["shape"])), tuple(map(int, meta["chunks"]))
            self.dtype, codec = np.dtype(meta["dtype"]), meta["compressor"]["id"]
            plain = meta["order"] == "C" and meta["filters"] is None
        except (OSError, ValueError, LookupError, TypeError, ArithmeticError, RecursionError) as error:
            raise BenchmarkError(f"{path} is not the description of a zarr version 2 array: {error!r}") from error
        if not (
            self.dtype.kind in "fiu"
            and codec == "blosc"
            and plain
            and 0 < min(self.shape, default=0) <= max(self.shape) < 2**63
        ):
            raise BenchmarkError(f"{path}: only numeric, unfiltered, blosc-compressed arrays in C order that are not empty")
        if not chunk or chunk[0] < 1 or chunk[1:] != self.shape[1:]:
            raise BenchmarkError(f"{path}: chunks {chunk} do not divide {self.shape} along the first axis alone")
        self._chunk = chunk
        self._last: tuple[int, np.ndarray] = -1, np.empty(0)

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def _chunk_bytes(self) -> int:
        return math.prod(self._chunk) * self.dtype.itemsize

    def read(self, start: int, stop: int) -> np.ndarray:
        """Rows `start` to `stop`."""
        first, last = start // self._chunk[0], (stop - 1) // self._chunk[0]
        allow((last + 1 - first) * self._chunk_bytes, f"{self.folder}, rows {start} to {stop},", 2)
        chunks = [self._last[1] if self._last[0] == index else self._decode(index) for index in range(first, last + 1)]
        self._last = last, chunks[-1]  # where the next rows begin
        rows = np.concatenate(chunks)
        return rows[start - first * self._chunk[0] : stop - first * self._chunk[0]]

    def _decode(self, index: int) -> np.ndarray:
        from numcodecs import Blosc

        path = self.folder / ".".join([str(index), *["0"] * (len(self.shape) - 1)])
        if not path.is_file():
            raise BenchmarkError(f"{path} does not exist: the array is incomplete")
        allow(self._chunk_bytes, f"{path}, unpacked,", 2)
        allow(path.stat().st_size, str(path), 2)
        stored = path.read_bytes()
        advanced()
        decoded, written = HEADER.unpack_from(stored)[4::2] if len(stored) >= HEADER.size else (0, 0)
        expected = self._chunk_bytes
        if written != len(stored) or decoded != expected:
            raise BenchmarkError(f"{path} is truncated or damaged: {len(stored)} bytes that should decode to {expected}")
        try:
            return np.frombuffer(Blosc().decode(stored), self.dtype).reshape(self._chunk)
        except (RuntimeError, ValueError) as error:
            raise BenchmarkError(f"{path} is damaged: {error}") from error
