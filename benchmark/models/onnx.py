"""The tensors of an ONNX file. Nothing in it is executed, and no package for ONNX is needed.

ONNX is a protocol buffer: a sequence of fields, each a number, a wire type and a value (protobuf.dev, Encoding). The numbers of
the fields below are those of `onnx.proto`, which keeps them for ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

MODEL_GRAPH = 7
GRAPH_NODE, GRAPH_INITIALISER = 1, 5
NODE_INPUT, NODE_NAME = 1, 3
TENSOR_DIMS, TENSOR_TYPE, TENSOR_NAME, TENSOR_BYTES = 1, 2, 8, 9
FLOAT = 1  # of TensorProto.DataType: 32 bits, little-endian in TENSOR_BYTES

Field = tuple[int, int | memoryview]


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Every float32 initialiser by its name.

    One that an exporter folded and numbered (`onnx::MatMul_1966`) is called after where it is used: `<node>:<input number>`.
    """
    tensors: dict[str, Tensor] = {}
    nodes: list[tuple[str, list[str]]] = []
    for number, graph in _fields(memoryview(path.read_bytes())):
        if number != MODEL_GRAPH:
            continue
        for part, value in _fields(_message(graph)):
            if part == GRAPH_INITIALISER:
                name, tensor = _tensor(_message(value))
                tensors[name] = tensor
            elif part == GRAPH_NODE:
                nodes.append(_node(_message(value)))
    named = {name: tensor for name, tensor in tensors.items() if not name.startswith("onnx::")}
    for node, inputs in nodes:
        for position, name in enumerate(inputs):
            if name in tensors and name not in named:
                named[f"{node}:{position}"] = tensors[name]
    return named


def _tensor(data: memoryview) -> tuple[str, Tensor]:
    shape: list[int] = []
    name, kind, content = "", 0, memoryview(b"")
    for number, value in _fields(data):
        if number == TENSOR_DIMS and isinstance(value, int):
            shape.append(value)
        elif number == TENSOR_TYPE and isinstance(value, int):
            kind = value
        elif number == TENSOR_NAME:
            name = _text(value)
        elif number == TENSOR_BYTES:
            content = _message(value)
    if kind != FLOAT:
        raise ValueError(f"{name} is of type {kind}, not float32")
    return name, torch.from_numpy(np.frombuffer(content, "<f4").reshape(shape).astype(np.float32))


def _node(data: memoryview) -> tuple[str, list[str]]:
    name, inputs = "", []
    for number, value in _fields(data):
        if number == NODE_INPUT:
            inputs.append(_text(value))
        elif number == NODE_NAME:
            name = _text(value)
    return name, inputs


def _message(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise ValueError("a number stands where a message belongs")
    return value


def _text(value: int | memoryview) -> str:
    return bytes(_message(value)).decode()


def _fields(data: memoryview) -> Iterator[Field]:
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire == 2:
            size, at = _varint(data, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError(f"no field begins with {tag}")
        if at + size > len(data):
            raise ValueError("a field is longer than what holds it")
        yield number, data[at : at + size]
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """Seven bits a byte, the lowest first; the eighth says that more follow."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than 64 bits")
