"""Pushed, pulled, the same: against a hub on 127.0.0.1."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from huggingface_hub import HfApi, constants

from benchmark.cli.main import main
from benchmark.results.encoders import CARD
from benchmark.results.export import export, load
from benchmark.storage.files import checksum
from tests.fake_hub import Hub, endpoint  # noqa: F401 - a fixture

CARD_OF_ONE = {
    "schema": 1,
    "kind": "encoder",
    "row": "timm:test_resnet@random",
    "preset": "smoke",
    "seed": 0,
    "env": "toy",
    "source": "timm",
    "licence": "none: trained here",
    "usage": ["import timm", "network = timm.create_model('local-dir:FOLDER', pretrained=True, num_classes=0)", "network(x)"],
    "data": {"episodes": 4, "frames": 96, "source": "scripted"},
    "scores": [
        {"env": "toy", "policy": "mlp", "estimate": 0.5, "low": 0.1, "high": 0.9, "covers": "episodes", "level": 0.95}
        | {"seeds": 1, "episodes": 2}
    ],
}


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    folder = tmp_path / "exported"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "config.json").write_text("{}")
    files = {name: checksum(folder / name) for name in ("model.safetensors", "config.json")}
    (folder / CARD).write_text(json.dumps({**CARD_OF_ONE, "files": files}))
    return folder


def test_an_encoder_goes_out_and_comes_back(exported: Path, tmp_path: Path, endpoint: type[Hub], capsys) -> None:  # noqa: F811
    assert main(["hub", "push", str(exported), "me/mine"]) == 0
    sent = endpoint.files["me/mine"]
    assert sent["model.safetensors"] == b"weights"
    card = sent["README.md"].decode()
    assert "library_name: timm" in card
    assert "license: other" in card
    assert "timm.create_model('hf-hub:me/mine'" in card
    assert "| toy | mlp | 0.50 | 0.10 to 0.90 (95%, episodes) | 2 | 1 |" in card
    assert "--methods hf:me/mine,hf:me/mine@random" in card
    assert "Bearer hf_secret" in endpoint.tokens
    assert main(["hub", "pull", "me/mine", str(tmp_path / "back")]) == 0
    for path in exported.iterdir():
        assert (tmp_path / "back" / path.name).read_bytes() == path.read_bytes()


def test_what_arrives_is_compared_with_its_card(exported: Path, tmp_path: Path, endpoint: type[Hub], capsys) -> None:  # noqa: F811
    assert main(["hub", "push", str(exported), "me/mine"]) == 0
    endpoint.files["me/mine"]["model.safetensors"] = b"other"
    assert main(["hub", "pull", "me/mine", str(tmp_path / "back")]) == 2
    assert "model.safetensors is not the file that" in capsys.readouterr().err


def test_results_are_a_data_set_with_their_table(tmp_path: Path, endpoint: type[Hub], capsys) -> None:  # noqa: F811
    folder, back = tmp_path / "results", tmp_path / "back"
    export(load(Path(__file__).parents[2] / "results" / "measured" / "pusht-patch"), folder)
    assert main(["hub", "push", str(folder), "me/table"]) == 0
    card = endpoint.files["datasets/me/table"]["README.md"].decode()
    assert "config_name: records" in card
    assert "efficientnet_lite0" in card
    assert main(["hub", "pull", "me/table", str(back), "--dataset"]) == 0
    assert (back / "records.csv").read_bytes() == (folder / "records.csv").read_bytes()
    endpoint.files["datasets/me/table"]["cells.csv"] = endpoint.files["datasets/me/table"]["cells.csv"][:-40]
    assert main(["hub", "pull", "me/table", str(tmp_path / "again"), "--dataset"]) == 2
    assert f"{tmp_path / 'again' / 'cells.csv'} is not the file that" in capsys.readouterr().err


def test_only_what_was_exported_is_pushed(tmp_path: Path, capsys) -> None:
    (tmp_path / "x.txt").touch()
    assert main(["hub", "push", str(tmp_path), "me/mine"]) == 2
    assert "neither an exported encoder or policy nor exported results" in capsys.readouterr().err


def test_a_dry_run_sends_nothing(exported: Path, endpoint: type[Hub], capsys) -> None:  # noqa: F811
    assert main(["hub", "push", str(exported), "me/mine", "--dry-run"]) == 0
    assert "README.md, card.json, config.json, model.safetensors" in capsys.readouterr().out
    assert endpoint.files == {}


def test_without_a_network_it_says_so_in_a_line(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert main(["hub", "pull", "me/mine", str(tmp_path / "back")]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: me/mine was not pulled: ")
    assert len(said.splitlines()) == 1


def test_whatever_the_transport_raises_is_a_line(exported: Path, monkeypatch, capsys) -> None:
    """The client's library of requests has exceptions of its own, which are no OSError."""

    class ConnectError(Exception):
        pass

    def unreachable(*_: object, **__: object) -> None:
        raise ConnectError("Name or service not known")

    monkeypatch.setattr(HfApi, "create_repo", unreachable)
    assert main(["hub", "push", str(exported), "me/mine"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: me/mine was not pushed: Name or service not known. ")
