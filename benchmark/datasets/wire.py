"""What the process that reads a data set and the one that asked say to each other: JSON, and arrays as they lie in memory.

Nothing is pickled: the process that reads is not trusted either, once a file has made it do something else.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmark.contracts.data import Episode

LENGTH = struct.Struct("<Q")
TYPES: dict[str, type[np.generic]] = {"frames": np.uint8, "actions": np.float32, "states": np.float32, "proprio": np.float32}


def pack(message: Mapping[str, Any]) -> bytes:
    data = json.dumps(message).encode()
    return LENGTH.pack(len(data)) + data


def unpack(read: Callable[[int], bytes | bytearray]) -> dict[str, Any]:
    """`read` gives so many bytes."""
    (length,) = LENGTH.unpack(read(LENGTH.size))
    return json.loads(read(length))


def episode_header(episode: Episode) -> dict[str, Any]:
    """What comes before the arrays of an episode."""
    return {"shapes": {name: getattr(episode, name).shape for name in TYPES}, "info": episode.info}


def episode_arrays(episode: Episode) -> list[memoryview]:
    arrays = [np.ascontiguousarray(getattr(episode, name), dtype) for name, dtype in TYPES.items()]
    return [array.reshape(-1).view(np.uint8).data for array in arrays if array.size]


def read_episode(header: Mapping[str, Any], read: Callable[[int], bytes | bytearray]) -> Episode:
    arrays = {}
    for name, dtype in TYPES.items():
        shape = tuple(int(size) for size in header["shapes"][name])
        arrays[name] = np.frombuffer(read(math.prod(shape) * dtype().itemsize), dtype).reshape(shape)
    return Episode(**arrays, info=header["info"])
