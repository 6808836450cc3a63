"""RLDS: episodes as TensorFlow writes them, every byte by the definition."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from tests.datasets.builders.content import LENGTHS, SIDE, Built, images, numbers
from tests.datasets.builders.pictures import png


def varint(value: int) -> bytes:
    value &= 2**64 - 1
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def message(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def feature(values: list[bytes] | np.ndarray) -> bytes:
    if isinstance(values, list):
        return message(1, b"".join(message(1, value) for value in values))
    if values.dtype == np.float32:
        return message(2, message(1, values.astype("<f4").tobytes()))
    return message(3, message(1, b"".join(varint(int(value)) for value in values)))


def example(features: dict[str, list[bytes] | np.ndarray]) -> bytes:
    entries = [message(1, message(1, k.encode()) + message(2, feature(v))) for k, v in features.items()]
    return message(1, b"".join(entries))


def bitwise_crc32c(data: bytes) -> int:
    """By the definition, one bit at a time."""
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0x82F63B78 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


def masked(data: bytes) -> bytes:
    crc = bitwise_crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def tfrecord(payloads: list[bytes]) -> bytes:
    lengths = [struct.pack("<Q", len(payload)) for payload in payloads]
    return b"".join(n + masked(n) + payload + masked(payload) for n, payload in zip(lengths, payloads, strict=True))


def tensor_feature(width: int, dtype: str = "float32", encoding: str = "none") -> dict[str, Any]:
    return {"tensor": {"shape": {"dimensions": [str(width)]}, "dtype": dtype, "encoding": encoding}}


def rlds(root: Path) -> Built:
    """Two shards; one camera absent everywhere, one in one episode; states as deflated tensors."""
    frames, actions, proprio = images(2), numbers(7), numbers(4, 1)
    frames[1][:, 1] = 0
    placeholder, payloads, tasks = png(np.full((SIDE, SIDE, 3), 128, np.uint8)), [], []
    for number, length in enumerate(LENGTHS):
        wrist = [placeholder] * length if number == 1 else [png(f) for f in frames[number][:, 1]]
        tasks.append(f"task {number}")
        features: dict[str, list[bytes] | np.ndarray] = {
            "steps/action": actions[number].ravel(),
            "steps/observation/image_0": [png(f) for f in frames[number][:, 0]],
            "steps/observation/image_1": wrist,
            "steps/observation/image_2": [placeholder] * length,
            "steps/observation/state": [zlib.compress(row.tobytes()) for row in proprio[number]],
            "steps/language_instruction": [tasks[-1].encode()] * length,
            "steps/language_embedding": np.zeros(length * 512, np.float32),
            "steps/is_last": np.array([0] * (length - 1) + [-1]),
        }
        payloads.append(example(features))
    folder = root / "1.0.0"
    folder.mkdir(parents=True)
    (folder / "toy-train.tfrecord-00000-of-00002").write_bytes(tfrecord(payloads[:2]))
    (folder / "toy-train.tfrecord-00001-of-00002").write_bytes(tfrecord(payloads[2:]))
    (folder / "toy-val.tfrecord-00000-of-00001").write_bytes(tfrecord(payloads[:1]))
    image = {"image": {"shape": {"dimensions": [str(SIDE), str(SIDE), "3"]}, "dtype": "uint8", "encodingFormat": "png"}}
    cameras = {f"image_{index}": image for index in range(3)}
    observation = {"featuresDict": {"features": {**cameras, "state": tensor_feature(4, encoding="zlib")}}}
    steps = {"action": tensor_feature(7), "observation": observation, "language_instruction": {"text": {}}}
    steps |= {"language_embedding": tensor_feature(512), "is_last": {"tensor": {"shape": {}, "dtype": "bool"}}}
    inner = {"feature": {"featuresDict": {"features": steps}}, "length": "-1"}
    (folder / "features.json").write_text(json.dumps({"featuresDict": {"features": {"steps": {"sequence": inner}}}}))
    return Built(root, "rlds", ("image_0", "image_1"), None, frames, actions, None, proprio, tasks=tasks)
