"""What is fetched from an address: whole and verified, or not at all."""

import hashlib
import socket
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from benchmark.core.errors import BenchmarkError
from benchmark.models import downloads
from benchmark.models.downloads import fetch
from benchmark.models.weights import Urls, verify
from tests.models.tiny import TINY, published


def file_bytes(content, path):
    torch.save(content, path)
    data = path.read_bytes()
    path.unlink()
    return data


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
        return replace(TINY, origin=Urls(tuple(server.url + path for path in paths)), checksum=digest), good

    return publish


def lying(room):
    return sorted(path.name for path in Path(room).parent.iterdir())


def test_a_fetched_file_is_whole_and_verified_and_not_fetched_again(room, server, offer):
    entry, good = offer("/tiny.pth")
    seen = []
    assert fetch(entry, lambda done, total: seen.append((done, total))) == room
    assert room.read_bytes() == good
    assert lying(room) == ["tiny.pth"]
    assert seen[-1] == (len(good), len(good))
    assert seen == sorted(seen)
    fetch(entry)
    assert server.asked == ["/tiny.pth"]
    assert verify(entry).startswith("sha256")


def test_the_second_place_is_asked_when_the_first_has_moved(room, server, offer):
    server.pages["/old"] = (404, b"gone", 4)
    entry, good = offer("/old", "/new")
    fetch(entry)
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
        fetch(entry)
    assert lying(room) == (["tiny.pth"] if here else [])
    assert not here or room.read_bytes() == here


def test_a_connection_cut_mid_way_is_not_taken_for_the_end(room, server, offer):
    """The published file itself, but the last bytes never come."""
    entry, good = offer("/tiny.pth", checksum=False)
    server.pages["/tiny.pth"] = (200, good[:-500], len(good))
    with pytest.raises(BenchmarkError, match="broke off"):
        fetch(entry)
    assert lying(room) == []


def test_an_error_in_the_middle_leaves_nothing_behind(room, offer):
    entry, _ = offer("/tiny.pth")

    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(entry, interrupt)
    assert lying(room) == []


def test_a_broken_file_is_replaced(room, offer):
    entry, good = offer("/tiny.pth")
    room.write_bytes(b"broken")
    fetch(entry)
    assert room.read_bytes() == good


def test_a_moved_file_is_named_with_its_answer(offer, server):
    entry, _ = offer("/tiny.pth")
    server.pages.clear()
    with pytest.raises(BenchmarkError, match=r"/tiny.pth answers 404"):
        fetch(entry)


def test_without_a_network_it_says_so_and_where_to_put_the_file(room):
    with socket.socket() as deaf:  # it holds the port, so that nobody else answers there, and does not listen
        deaf.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/tiny.pth"
        with pytest.raises(BenchmarkError, match="cannot be reached") as error:
            fetch(replace(TINY, origin=Urls((url,))))
    assert url in str(error.value)
    assert f"Without a network, download tiny.pth from {url} elsewhere, put it at {room}" in str(error.value)


def test_two_processes_fetch_it_once(room, server, offer, monkeypatch):
    """The second waits for the first, and finds its file."""
    entry, good = offer("/tiny.pth")
    waiting = threading.Event()
    folder = downloads.folder

    def folder_of_the_lock():
        waiting.set()
        return folder()

    monkeypatch.setattr(downloads, "folder", folder_of_the_lock)
    with FileLock(folder() / ".tiny.lock"):
        second = threading.Thread(target=fetch, args=(entry,))
        second.start()
        assert waiting.wait(60)
        room.write_bytes(good)
    second.join()
    assert server.asked == []
    assert lying(room) == ["tiny.pth"]
