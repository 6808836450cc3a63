"""The tensors of an ONNX file. Nothing in it is executed, and no package for ONNX is needed.

The numbers of the fields below are those of `onnx.proto`, which keeps them for ever.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmark.core.protobuf import fields, part

MODEL_GRAPH = 7
GRAPH_NODE, GRAPH_INITIALISER = 1, 5
NODE_INPUT, NODE_NAME = 1, 3
TENSOR_DIMS, TENSOR_TYPE, TENSOR_NAME, TENSOR_BYTES = 1, 2, 8, 9
FLOAT = 1  # of TensorProto.DataType: 32 bits, little-endian in TENSOR_BYTES


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Every float32 initialiser by its name.

    One that an exporter folded and numbered (`onnx::MatMul_1966`) is called after where it is used: `<node>:<input number>`.
    """
    tensors: dict[str, Tensor] = {}
    nodes: list[tuple[str, list[str]]] = []
    for number, graph in fields(memoryview(path.read_bytes())):
        if number != MODEL_GRAPH:
            continue
        for kind, value in fields(part(graph)):
            if kind == GRAPH_INITIALISER:
                name, tensor = _tensor(part(value))
                tensors[name] = tensor
            elif kind == GRAPH_NODE:
                nodes.append(_node(part(value)))
    named = {name: tensor for name, tensor in tensors.items() if not name.startswith("onnx::")}
    for node, inputs in nodes:
        for position, name in enumerate(inputs):
            if name in tensors and name not in named:
                named[f"{node}:{position}"] = tensors[name]
    return named


def _tensor(data: memoryview) -> tuple[str, Tensor]:
    shape: list[int] = []
    name, kind, content = "", 0, memoryview(b"")
    for number, value in fields(data):
        if number == TENSOR_DIMS and isinstance(value, int):
            shape.append(value)
        elif number == TENSOR_TYPE and isinstance(value, int):
            kind = value
        elif number == TENSOR_NAME:
            name = _text(value)
        elif number == TENSOR_BYTES:
            content = part(value)
    if kind != FLOAT:
        raise ValueError(f"{name} is of type {kind}, not float32")
    return name, torch.from_numpy(np.frombuffer(content, "<f4").reshape(shape).astype(np.float32))


def _node(data: memoryview) -> tuple[str, list[str]]:
    name, inputs = "", []
    for number, value in fields(data):
        if number == NODE_INPUT:
            inputs.append(_text(value))
        elif number == NODE_NAME:
            name = _text(value)
    return name, inputs


def _text(value: int | memoryview) -> str:
    return bytes(part(value)).decode()
