"""Files that are there whole or not at all, and the hashes that name and check them."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmark.core.errors import Corrupt
from benchmark.storage.processes import token

TEMPORARY = ".tmp"  # how the name of a file ends that is being written; before it stands whose it is
SEAL = 64  # letters of a sha256
FULL = (errno.ENOSPC, errno.EDQUOT)
# safetensors writes in Rust and says only this; numpy counts what C's fwrite took
FULL_TEXT = re.compile(rf"os error ({errno.ENOSPC}|{errno.EDQUOT})\b|\d+ requested and \d+ written")


def key_of(value: Any) -> str:
    """The hash that names an artifact: of canonical JSON, to which dataclasses go by their fields."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False, default=_fields)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _fields(value: Any) -> dict[str, Any]:
    if not dataclasses.is_dataclass(value):
        raise TypeError(f"{value!r} cannot be part of a key")
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


def checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify_files(folder: Path, checksums: Mapping[str, str], listing: str) -> None:
    """That the files of a folder are those which a listing in it describes."""
    for name, sha256 in checksums.items():
        file = folder / name
        if not file.resolve().is_relative_to(folder.resolve()) or not file.is_file() or checksum(file) != sha256:
            raise Corrupt(f"{file} is not the file that {folder / listing} describes")


def write_text(path: Path, text: str) -> None:
    """Replace a file whole or not at all."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Replace a file whole or not at all."""
    temporary = temporary_name(path)
    try:
        temporary.write_bytes(data)
        flush(temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def temporary_name(path: Path) -> Path:
    return path.with_name(f".{path.name}.{token()}{TEMPORARY}")


def read_bytes(path: Path) -> bytes:
    """Of a regular file: a pipe would be waited for, and a device has no end."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "this is no regular file", str(path))
    return path.read_bytes()


def seal(path: Path, data: bytes) -> None:
    """Replace a file by data and their checksum: for what is read back before an artifact's manifest could vouch for it."""
    write_bytes(path, b"%s\n%s" % (data, hashlib.sha256(data).hexdigest().encode()))


def unseal(path: Path) -> bytes:
    """The data of a sealed file, or `Corrupt`."""
    try:
        content = read_bytes(path)
    except OSError as error:
        raise Corrupt(f"{path} cannot be read: {error.strerror}") from error
    data, written = content[: -SEAL - 1], content[-SEAL:]
    if len(content) <= SEAL or hashlib.sha256(data).hexdigest().encode() != written:
        raise Corrupt(f"{path} does not match its checksum")
    return data


def flush(path: Path) -> None:
    """fsync a file or a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def discard(path: Path) -> None:
    """Remove a file or a folder with all that is in it. What somebody else removes meanwhile is gone as well."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, onerror=_raise_unless_gone)
    else:
        path.unlink(missing_ok=True)


def entries(folder: Path) -> list[Path]:
    """What is in a folder, sorted; nothing if there is no such folder."""
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def files_below(folder: Path) -> list[Path]:
    """All files in a folder and below it, but for those that another process removes meanwhile, where `Path.glob` raises."""
    return [Path(parent, name) for parent, _, names in os.walk(folder) for name in names]


def free_disk(place: Path) -> int:
    """Bytes, where a file or folder is or will be."""
    there = next(path for path in (place.absolute(), *place.absolute().parents) if path.exists())
    return shutil.disk_usage(there).free


def is_full(error: BaseException | None) -> bool:
    """Whether the disk being full, or a quota, is behind an error: not every library says so by its type."""
    return any(getattr(each, "errno", None) in FULL or FULL_TEXT.search(str(each)) is not None for each in _with_causes(error))


def _with_causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _raise_unless_gone(function: Any, path: str, failure: Any) -> None:
    if not isinstance(failure[1], FileNotFoundError):
        raise failure[1]
