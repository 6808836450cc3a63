"""Published weights: what is refused, what is fetched, and that nothing in a file is ever executed."""

import argparse
import hashlib
import os
import socket
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from timm.models.vision_transformer import VisionTransformer
from torch.nn import functional as F

from benchmark.core.errors import BenchmarkError, Corrupt, Unavailable
from benchmark.models import weights


def tiny(size):
    return VisionTransformer(size, 16, num_classes=0, embed_dim=16, depth=1, num_heads=2)


TINY = weights.Weights(
    name="tiny",
    file="tiny.pth",
    urls=(),
    licence="MIT",
    source="a test",
    network=tiny,
    under="model",
    prefix="net.",
    ignore=("head.",),
)


@pytest.fixture(autouse=True)
def room(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCHMARK_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    weights.path_of(TINY).parent.mkdir(parents=True)
    return weights.path_of(TINY)


def published(seed=0, size=224):
    """A network and the content of its published file."""
    torch.manual_seed(seed)
    network = tiny(size).eval()
    tensors = {f"net.{key}": value for key, value in network.state_dict().items()}
    return network, {"model": {**tensors, "head.weight": torch.zeros(3)}, "epoch": 7}


def file_bytes(content, path):
    torch.save(content, path)
    data = path.read_bytes()
    path.unlink()
    return data


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


# ---------------------------------------------------------------------------------------------------------------- fetching


@pytest.fixture
def server():
    """A server on this machine: `pages` maps paths to (status, body, bytes announced), `asked` lists the requests."""
    pages, asked = {}, []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            status, body, announced = pages.get(self.path, (404, b"gone", 4))
            self.send_response(status)
            self.send_header("Content-Length", str(announced))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    http.pages, http.asked = pages, asked
    http.url = f"http://127.0.0.1:{http.server_port}"
    yield http
    http.shutdown()
    http.server_close()
    thread.join()


@pytest.fixture
def offer(server, room):
    """Publish the file at some paths of the server, announcing more bytes than are sent if told to: (its entry, its bytes)."""

    def publish(*paths, data=None, announced=None, checksum=True):
        good = file_bytes(published()[1], room)
        data = good if data is None else data
        for path in paths:
            server.pages.setdefault(path, (200, data, announced or len(data)))
        digest = f"sha256:{hashlib.sha256(good).hexdigest()}" if checksum else ""
        return replace(TINY, urls=tuple(server.url + path for path in paths), checksum=digest), good

    return publish


def lying(room):
    return sorted(path.name for path in Path(room).parent.iterdir())


def test_a_fetched_file_is_whole_and_verified_and_not_fetched_again(room, server, offer):
    entry, good = offer("/tiny.pth")
    seen = []
    assert weights.fetch(entry, lambda done, total: seen.append((done, total))) == room
    assert room.read_bytes() == good
    assert lying(room) == ["tiny.pth"]
    assert seen[-1] == (len(good), len(good))
    assert seen == sorted(seen)
    weights.fetch(entry)
    assert server.asked == ["/tiny.pth"]
    assert weights.verify(entry).startswith("sha256")


def test_the_second_place_is_asked_when_the_first_has_moved(room, server, offer):
    server.pages["/old"] = (404, b"gone", 4)
    entry, good = offer("/old", "/new")
    weights.fetch(entry)
    assert server.asked == ["/old", "/new"]
    assert room.read_bytes() == good


@pytest.mark.parametrize(
    ("served", "reason"),
    [
        ({"data": b"x" * 1000}, "not the published file"),
        ({"data": b"<html>Please sign in</html>", "checksum": False}, "web page"),
        ({"data": b"y" * 1000, "announced": 5000}, "broke off after 1000 of 5000 bytes"),
        ({"data": b"", "checksum": False}, "it is empty"),
    ],
)
@pytest.mark.parametrize("here", [None, b"an older, broken file"])
def test_what_should_not_have_arrived_leaves_everything_as_it_was(room, offer, served, reason, here):
    entry, _ = offer("/tiny.pth", **served)
    if here:
        room.write_bytes(here)
    with pytest.raises(BenchmarkError, match=reason):
        weights.fetch(entry)
    assert lying(room) == (["tiny.pth"] if here else [])
    assert not here or room.read_bytes() == here


def test_a_connection_cut_mid_way_is_not_taken_for_the_end(room, server, offer):
    """The published file itself, but the last bytes never come."""
    entry, good = offer("/tiny.pth", checksum=False)
    server.pages["/tiny.pth"] = (200, good[:-500], len(good))
    with pytest.raises(BenchmarkError, match="broke off"):
        weights.fetch(entry)
    assert lying(room) == []


def test_an_error_in_the_middle_leaves_nothing_behind(room, offer):
    entry, _ = offer("/tiny.pth")

    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        weights.fetch(entry, interrupt)
    assert lying(room) == []


def test_a_broken_file_is_replaced(room, offer):
    entry, good = offer("/tiny.pth")
    room.write_bytes(b"broken")
    weights.fetch(entry)
    assert room.read_bytes() == good


def test_a_moved_file_is_named_with_its_answer(offer, server):
    entry, _ = offer("/tiny.pth")
    server.pages.clear()
    with pytest.raises(BenchmarkError, match=r"/tiny.pth answers 404"):
        weights.fetch(entry)


def test_without_a_network_it_says_so_and_where_to_put_the_file(room):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/tiny.pth"
    entry = replace(TINY, urls=(url,))
    with pytest.raises(BenchmarkError, match="cannot be reached") as error:
        weights.fetch(entry)
    assert url in str(error.value)
    assert f"Without a network, download tiny.pth from {url} elsewhere, put it at {room}" in str(error.value)
