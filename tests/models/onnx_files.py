"""ONNX files of a few tensors, written field by field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch


def field(number: int, value: bytes | int) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def varint(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value % 128 + 128]) + varint(value // 128)


def initialiser(name: str, tensor: torch.Tensor, kind: int = 1) -> bytes:
    dims = b"".join(field(1, n) for n in tensor.shape)
    return dims + field(2, kind) + field(8, name.encode()) + field(9, tensor.contiguous().numpy().tobytes())


def node(name: str, operation: str, inputs: Sequence[str]) -> bytes:
    return (
        b"".join(field(1, i.encode()) for i in inputs)
        + field(2, b"out")
        + field(3, name.encode())
        + field(4, operation.encode())
    )


def onnx_file(tensors: Mapping[str, torch.Tensor], nodes: Mapping[str, Sequence[str]]) -> bytes:
    """`nodes`: name -> inputs. A graph as exporters write it, nodes first, in a model with a version and a producer."""
    parts = [field(1, node(name, name.rsplit("/", 1)[-1], inputs)) for name, inputs in nodes.items()]
    parts += [field(2, b"main_graph"), *(field(5, initialiser(name, tensor)) for name, tensor in tensors.items())]
    return field(1, 7) + field(2, b"pytorch") + field(7, b"".join(parts)) + field(8, field(2, 14))
