"""RT-1's tokenizer as a row; the network is in tests/models/test_rt1.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file

from benchmark.contracts.data import DataSpec
from benchmark.contracts.presets import component_config
from benchmark.core.errors import BenchmarkError, Corrupt
from benchmark.methods.early_fusion import EarlyFusionConfig
from benchmark.methods.film_efficientnet import FilmEfficientNetConfig, FilmEfficientNetRow
from benchmark.planning.recipes import content_of

DATA = DataSpec("fake", ("top",), 32, 2, 0, 0, 10.0)


def config(**changes: Any) -> FilmEfficientNetConfig:
    return replace(component_config(FilmEfficientNetRow, "smoke", "fake"), **changes)


def test_the_body_takes_over_weights_and_their_content_is_on_the_key(tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = timm.create_model("test_efficientnet")
    path = tmp_path / "weights.safetensors"
    save_file(network.state_dict(), path)
    encoder: Any = FilmEfficientNetRow(config(weights=str(path)), DATA).encoder
    published = network.state_dict()
    assert encoder.network.state_dict().keys() == {name for name in published if not name.startswith("classifier")}
    assert all(torch.equal(tensor, published[name]) for name, tensor in encoder.network.state_dict().items())
    before = content_of(FilmEfficientNetRow, config(weights=str(path)))
    save_file({name: tensor + 1 for name, tensor in published.items()}, path)
    assert content_of(FilmEfficientNetRow, config(weights=str(path))) != before
    save_file({name: tensor for name, tensor in published.items() if name != "conv_stem.weight"}, path)
    with pytest.raises(Corrupt):
        FilmEfficientNetRow(config(weights=str(path)), DATA)


def test_a_file_that_is_not_there_is_named() -> None:
    assert FilmEfficientNetRow.unavailable_reason(config()) is None
    reason = FilmEfficientNetRow.unavailable_reason(config(weights="/nowhere.pth"))
    assert reason == "method.film_efficientnet.weights=/nowhere.pth is no file"


def test_the_paper_starts_at_its_size_and_rate() -> None:
    paper = component_config(FilmEfficientNetRow, "paper", "kitchen")
    assert (paper.backbone, paper.size, paper.width, paper.tokens, paper.told) == ("tf_efficientnet_b3", 300, 512, 8, 512)
    assert FilmEfficientNetRow.joint_rate(paper) == 1.0


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: config(told=8), "told=8 is too little for a goal image's mean token of width=16"),
        (lambda: config(init="imagenet"), "init=imagenet"),
        (lambda: EarlyFusionConfig(width=10), "width=10 is not a multiple of 4 groups"),
        (lambda: EarlyFusionConfig(backbone="resnet18", init="imagenet"), "no published network has channels for a goal"),
    ],
)
def test_what_cannot_be_built_is_refused(make: Any, reason: str) -> None:
    with pytest.raises(BenchmarkError, match=reason):
        make()
