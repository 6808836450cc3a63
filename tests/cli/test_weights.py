"""`weights`: the files that registered methods name, found by name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from timm.models.vision_transformer import VisionTransformer

from benchmark import registry
from benchmark.cli import weights as verb
from benchmark.cli.main import main
from benchmark.contracts.method import Method
from benchmark.models.encoders import build_backbone
from benchmark.models.weights import Urls, Weights, path_of


def tiny(size: int) -> VisionTransformer:
    return VisionTransformer(size, 16, num_classes=0, embed_dim=16, depth=1, num_heads=2)


TINY = Weights("tiny", "tiny.pth", Urls(("http://127.0.0.1:9/tiny.pth",)), "MIT", "a test", tiny, megabytes=1)


class Row(Method):
    name = "row_of_a_test"
    weights = TINY

    @classmethod
    def build_encoder(cls, config, data):
        return build_backbone("vit_tiny", 8, 64)


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("BENCHMARK_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    registry.methods().add(Row)
    yield path_of(TINY)
    registry.methods().remove(Row.name)


def put(file: Path) -> None:
    file.parent.mkdir(exist_ok=True)
    torch.save(tiny(224).state_dict(), file)


def row(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    assert main(["weights", "list", "--format", "json"]) == 0
    return next(row for row in json.loads(capsys.readouterr().out) if row["name"] == "tiny")


def test_a_method_makes_its_weights_known_by_naming_them() -> None:
    assert verb.by_name()["tiny"] is TINY
    assert "imagenet" in verb.by_name()


def test_the_list_says_what_is_here_and_where(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert row(capsys) == {
        "name": "tiny",
        "status": "missing",
        "file": "tiny.pth",
        "megabytes": 1,
        "licence": "MIT",
        "checksum": "none known",
        "source": "a test",
        "path": str(file),
    }
    put(file)
    assert row(capsys)["status"] == "here"
    assert main(["weights", "list"]) == 0
    assert "tiny.pth" in capsys.readouterr().out


def test_those_of_the_name_are_fetched_and_verified(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "verify", "tiny"]) == 2
    assert "weights fetch tiny" in capsys.readouterr().err
    assert main(["weights", "fetch", "tiny", "--quiet"]) == 2
    assert "http://127.0.0.1:9/tiny.pth cannot be reached" in capsys.readouterr().err
    put(file)
    assert main(["weights", "fetch", "tiny", "--quiet"]) == 0
    assert capsys.readouterr().out == f"{file}\n"
    assert main(["weights", "verify", "tiny"]) == 0
    assert "all tensors match" in capsys.readouterr().out


@pytest.mark.parametrize("action", ["fetch", "verify"])
def test_unknown_names_get_a_suggestion(action: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", action, "tinny"]) == 2
    assert "unknown weights 'tinny'; did you mean tiny" in capsys.readouterr().err
