"""Published weights: what is refused, and that nothing in a file is ever executed."""

import argparse
import hashlib
import os
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from benchmark.core.errors import Corrupt, Unavailable
from benchmark.models import weights
from tests.models.tiny import TINY, published, tiny

pytestmark = pytest.mark.usefixtures("room")


# ------------------------------------------------------------------------------------------------------------ what is here


def test_files_lie_under_their_name_where_the_environment_says(tmp_path, monkeypatch):
    assert weights.path_of(TINY) == tmp_path / "weights" / "tiny" / "tiny.pth"
    monkeypatch.delenv("BENCHMARK_WEIGHTS")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert weights.path_of(TINY) == tmp_path / ".cache" / "encoder-benchmark" / "weights" / "tiny" / "tiny.pth"


def test_what_is_missing_comes_with_the_command_and_the_place(room):
    reason = weights.unavailable_reason(TINY)
    assert "python -m benchmark weights fetch tiny" in reason
    assert f"put tiny.pth into {room.parent}" in reason
    with pytest.raises(Unavailable, match="weights fetch tiny"):
        weights.load(TINY, tiny(224))
    torch.save(published()[1], room)
    assert weights.unavailable_reason(TINY) is None


# ----------------------------------------------------------------------------------------------------------------- reading


@pytest.mark.parametrize("legacy", [False, True])
def test_the_network_gets_the_published_tensors(room, legacy):
    network, content = published()
    torch.save(content, room, _use_new_zipfile_serialization=not legacy)
    other = tiny(224).eval()
    weights.load(TINY, other)
    images = torch.rand(2, 3, 224, 224)
    assert torch.equal(other(images), network(images))
    assert "no checksum is known" in weights.verify(TINY)


def test_safetensors(room):
    network, _ = published()
    entry = replace(TINY, file="model.safetensors", under="", prefix="", ignore=())
    save_file(network.state_dict(), room.with_name("model.safetensors"))
    other = tiny(224)
    weights.load(entry, other)
    assert all(torch.equal(a, b) for a, b in zip(other.parameters(), network.parameters(), strict=True))


def test_a_command_line_kept_beside_the_tensors_is_harmless(room):
    torch.save({**published()[1], "args": argparse.Namespace(lr=0.1, model="mae")}, room)
    weights.load(TINY, tiny(224))


def test_positions_are_resized_and_the_class_token_keeps_its_own(room):
    network, content = published()
    torch.save(content, room)
    small = tiny(112)
    weights.load(TINY, small)
    given = network.pos_embed.detach()
    grid = given[:, 1:].reshape(1, 14, 14, 16).permute(0, 3, 1, 2)
    grid = F.interpolate(grid, (7, 7), mode="bicubic", antialias=True).flatten(2).transpose(1, 2)
    torch.testing.assert_close(small.pos_embed.detach(), torch.cat([given[:, :1], grid], 1))


class Evil:
    """Unpickled by a careless loader, this runs a command."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("place", ["model", "head"])
def test_code_in_a_file_is_refused_and_not_run(room, tmp_path, legacy, place):
    mark = tmp_path / "executed"
    content = published()[1]
    if place == "model":
        content = {**content, "extra": Evil(mark)}
    else:
        content["model"]["head.bias"] = Evil(mark)
    torch.save(content, room, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(Corrupt, match="holds code"):
        weights.load(TINY, tiny(224))
    assert not mark.exists()


BROKEN = {
    "empty": (lambda data: b"", "it is empty"),
    "web page": (lambda data: b"\n<!DOCTYPE html><html>Sign in</html>", "web page"),
    "lfs pointer": (lambda data: b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "Git LFS pointer"),
    "truncated": (lambda data: data[: len(data) // 2], "truncated"),
    "noise": (lambda data: bytes(range(256)) * 40, "cannot be read"),
}


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_no_file_of_weights_is_refused_by_name(room, kind, suffix):
    network, content = published()
    room = room.with_suffix(suffix)
    save_file(network.state_dict(), room) if suffix == ".safetensors" else torch.save(content, room)
    damage, reason = BROKEN[kind]
    room.write_bytes(damage(room.read_bytes()))
    with pytest.raises(Corrupt, match=reason) as error:
        weights.load(replace(TINY, file=room.name), tiny(224))
    assert str(error.value).startswith("tiny: ")
    assert f"python -m benchmark weights fetch tiny replaces {room}" in str(error.value)


def drop(content):
    del content["model"]["net.norm.bias"]


def add(content):
    content["model"]["net.extra"] = torch.zeros(1)


def foreign(content):
    content["model"]["lang.weight"] = torch.zeros(1)


def reshape(content):
    content["model"]["net.cls_token"] = torch.zeros(1, 1, 8)


def oblong(content):
    content["model"]["net.pos_embed"] = torch.zeros(1, 13, 16)


def number(content):
    content["model"]["net.norm.bias"] = 3


def unwrap(content):
    content["state_dict"] = content.pop("model")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (drop, "norm.bias is missing"),
        (add, "extra is unexpected"),
        (foreign, "unexpected entry 'lang.weight'"),
        (reshape, r"cls_token has shape \(1, 1, 8\) instead of \(1, 1, 16\)"),
        (oblong, "pos_embed has shape"),
        (number, "unexpected entry 'net.norm.bias'"),
        (unwrap, "no entry 'model', only epoch, state_dict"),
    ],
)
def test_every_tensor_must_find_its_place(room, change, reason):
    content = published()[1]
    change(content)
    torch.save(content, room)
    network = tiny(224)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(Corrupt, match=reason):
        weights.load(TINY, network)
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


def test_a_file_of_something_else_than_named_tensors_is_refused(room):
    torch.save([torch.zeros(3)], room)
    with pytest.raises(Corrupt, match="holds a list"):
        weights.load(TINY, tiny(224))


def test_the_published_checksum_must_match_whole_or_in_its_beginning(room):
    torch.save(published()[1], room)
    data = room.read_bytes()
    for checksum in (f"sha256:{hashlib.sha256(data).hexdigest()}", f"md5:{hashlib.md5(data).hexdigest()[:6]}"):
        entry = replace(TINY, checksum=checksum)
        assert weights.verify(entry).startswith(checksum.partition(":")[0])
    torch.save(published(seed=1)[1], room)
    with pytest.raises(Corrupt, match="not the published file"):
        weights.verify(entry)
