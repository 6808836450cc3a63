"""The reader of ONNX files: names, shapes, numbers, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmark.models.onnx import read_tensors
from tests.models.onnx_files import field, initialiser, onnx_file

TENSORS = {
    "net.norm.bias": torch.arange(3.0),
    "net.proj.weight": torch.arange(600.0).reshape(2, 3, 10, 10),
    "onnx::MatMul_7": torch.tensor([[1.5, -2.0], [0.25, 4.0], [8.0, 1e-8]]),
}
NODES = {"/net/fc/MatMul": ("/net/norm/Add_output_0", "onnx::MatMul_7"), "/net/norm/Add": ("x", "net.norm.bias")}


def read(tmp_path: Path, data: bytes) -> dict[str, torch.Tensor]:
    path = tmp_path / "file.onnx"
    path.write_bytes(data)
    return read_tensors(path)


def test_tensors_have_their_own_names_or_those_of_the_place_they_are_used_at(tmp_path):
    tensors = read(tmp_path, onnx_file(TENSORS, NODES))
    assert set(tensors) == {"net.norm.bias", "net.proj.weight", "/net/fc/MatMul:1"}
    assert torch.equal(tensors["net.norm.bias"], TENSORS["net.norm.bias"])
    assert torch.equal(tensors["net.proj.weight"], TENSORS["net.proj.weight"])
    assert torch.equal(tensors["/net/fc/MatMul:1"], TENSORS["onnx::MatMul_7"])


def test_one_that_two_nodes_use_is_there_twice(tmp_path):
    tensors = read(tmp_path, onnx_file(TENSORS, {**NODES, "/tied/MatMul": ("onnx::MatMul_7", "y")}))
    assert torch.equal(tensors["/tied/MatMul:0"], tensors["/net/fc/MatMul:1"])


def test_fields_of_other_wire_types_are_passed_over(tmp_path):
    data = onnx_file(TENSORS, NODES)
    numbers = bytes([15 << 3 | 1, *range(8), 14 << 3 | 5, *range(4)])
    assert set(read(tmp_path, numbers + data + numbers)) == set(read(tmp_path, data))


GRAPH = field(5, initialiser("a", torch.zeros(2)))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (field(7, GRAPH)[:-3], "longer than what holds it"),
        (field(7, field(5, initialiser("counts", torch.zeros(2), kind=7))), "counts is of type 7, not float32"),
        (field(7, field(5, initialiser("a", torch.zeros(2)) + field(1, 3))), "reshape"),
        (field(7, 3), "a number stands where a message belongs"),
        (bytes([7 << 3 | 3]), "no field begins with"),
        (bytes([0x38, *[255] * 11]), "more than 64 bits"),
    ],
)
def test_what_is_broken_is_refused(tmp_path, data, reason):
    with pytest.raises(ValueError, match=reason):
        read(tmp_path, data)
