"""Opening other people's files: everything is checked, every complaint names the file, and nothing in it is ever run.

Arrays load without pickles, tensors with `weights_only`, images by the codecs named here; a path that is named inside a data
set may not lead out of it, and nothing is allocated that the budget does not allow.
"""

from __future__ import annotations

import io
import json
import math
import os
import pickle
import re
import stat
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmark.core.errors import BenchmarkError, Unavailable
from benchmark.datasets.budget import MB, allow, allow_pixels, current

JSON_COST = 12  # bytes of objects per byte of text: a list of empty lists takes this many
ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # what NumPy and torch write; others ask for memory as they like


@contextmanager
def reading(where: Path | str) -> Iterator[None]:
    """Whatever cannot be read in here is told with the name of what was read."""
    try:
        yield
    except BenchmarkError:
        raise
    except Exception as error:  # packages that read files raise whatever they like at what they cannot make sense of
        text = str(error).strip().split("\n")[0]
        if isinstance(error, MemoryError):
            most = f"{current().memory / MB:,.0f} MB"
            reason = f"needs more memory than the {most} that reading it may take: refused (--memory-limit GB allows more)"
        elif _pickled(where, error, text):
            reason = "holds a pickle, which is never opened because it could run code; save it as plain arrays"
        else:
            reason = f"cannot be read: {repr(error) if not text or isinstance(error, LookupError) else text}"
        raise BenchmarkError(f"{where} {reason}") from error


def _pickled(where: Path | str, error: Exception, text: str) -> bool:
    if "Object arrays" in text or "Python objects" in text:  # NumPy's words
        return True
    if not (isinstance(error, pickle.UnpicklingError) or "pickled" in text):
        return False
    if not isinstance(where, Path) or not where.is_file():
        return False
    with where.open("rb") as file:
        head = file.read(2)
    return head[:1] == b"\x80" or (head == b"PK" and isinstance(error, pickle.UnpicklingError))


def require_packages(format_name: str, *names: str) -> None:
    if absent := [name for name in names if find_spec(name) is None]:
        raise Unavailable(f"reading {format_name} needs {' and '.join(absent)}; python -m pip install -e .[data]")


def survey(root: Path) -> int:
    """The bytes that a data set takes on disk. Refused: whatever is no file, folder or link between these."""
    total, folders = 0, [root]
    with reading(root):
        if not stat.S_ISDIR(root.stat().st_mode):
            return _plain_size(root, root.stat())
        while folders:
            for entry in os.scandir(folders.pop()):
                path = Path(entry.path)
                if entry.is_symlink():
                    inside(root, path.absolute())
                    if not path.exists():
                        raise BenchmarkError(f"{path} is a link that leads nowhere: the data set is incomplete")
                if entry.is_dir(follow_symlinks=False):
                    folders.append(path)
                elif not entry.is_dir():
                    total += _plain_size(path, entry.stat())
    return total


def _plain_size(path: Path, status: os.stat_result) -> int:
    if not stat.S_ISREG(status.st_mode):
        raise BenchmarkError(f"{path} is a device, a pipe or a socket, and no file: refused")
    return status.st_blocks * 512  # as POSIX counts them: a file may claim more than it takes


def inside(root: Path, name: Path | str) -> Path:
    """The path that a data set names or holds, links followed, which may not lead out of it."""
    with reading(root / name):
        path = (root / name).resolve()
    if not path.is_relative_to(root.resolve()):
        raise BenchmarkError(f"{root} refers to the file '{name}', which lies outside of it: refused")
    return path


def existing(path: Path) -> Path:
    if not path.is_file():
        what = "is a link that leads nowhere" if path.is_symlink() else "is no file" if path.exists() else "does not exist"
        raise BenchmarkError(f"{path} {what}: the data set is incomplete")
    if path.stat().st_size == 0:
        raise BenchmarkError(f"{path} is empty (0 bytes)")
    return path


def natural(name: Path | str) -> list[int | str]:
    """A key that sorts 2 before 10."""
    return [int(part) if place % 2 else part for place, part in enumerate(re.split(r"(\d+)", str(name)))]


def read_json(path: Path) -> dict[str, Any]:
    allow(JSON_COST * existing(path).stat().st_size, str(path))
    with reading(path):
        value = json.loads(path.read_text())
    if not isinstance(value, dict):
        raise BenchmarkError(f"{path} holds no JSON object")
    return value


def load_array(path: Path) -> np.ndarray:
    """A .npy file, memory-mapped."""
    with reading(path):
        return np.load(existing(path), mmap_mode="r", allow_pickle=False)


def load_arrays(path: Path, wanted: Sequence[str]) -> dict[str, np.ndarray]:
    """Those arrays of a .npz file that are wanted and there; nothing else of it is unpacked."""
    with reading(path):
        _refuse_pickles(existing(path))
        with zipfile.ZipFile(path) as file:
            entries = {entry.filename: entry for entry in file.infolist()}
            present = {name: entries[f"{name}.npy"] for name in wanted if f"{name}.npy" in entries}
            _allow_entries(present.values(), path)
            return {name: _member(file, entry) for name, entry in present.items()}


def _member(file: zipfile.ZipFile, entry: zipfile.ZipInfo) -> np.ndarray:
    """An array of a .npz file, if its member is as large as the array's own header announces."""
    formats = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    with file.open(entry) as stream:
        shape, _, dtype = formats[np.lib.format.read_magic(stream)](stream)
    if math.prod(shape) * dtype.itemsize > entry.file_size or min(shape, default=0) < 0:
        raise ValueError(f"{entry.filename} claims {dtype} {shape} and holds {entry.file_size} bytes")
    with file.open(entry) as stream:
        return np.lib.format.read_array(stream, allow_pickle=False)


def _allow_entries(entries: Iterable[zipfile.ZipInfo], path: Path) -> None:
    entries = list(entries)
    if odd := [entry.filename for entry in entries if entry.compress_type not in ZIP_METHODS]:
        raise ValueError(f"{odd[0]} is packed in a way that no array is")
    allow(sum(entry.file_size for entry in entries), f"{path}, unpacked,")


def _refuse_pickles(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(1) == b"\x80":
            raise pickle.UnpicklingError("pickled")


def load_tensor(path: Path) -> np.ndarray:
    """A tensor saved by torch.save, whose every number is stored."""
    import torch

    with reading(path):
        if zipfile.is_zipfile(existing(path)):
            with zipfile.ZipFile(path) as file:
                _allow_entries(file.infolist(), path)
        value = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(value, torch.Tensor):
            raise BenchmarkError(f"{path} holds a {type(value).__name__}, expected one tensor")
        array = value.numpy()
        if array.nbytes > value.untyped_storage().nbytes():
            raise BenchmarkError(f"{path} claims {array.dtype} {array.shape}, but holds fewer numbers and repeats them")
        return array


def decode_picture(data: bytes, where: Path | str) -> np.ndarray:
    """A JPEG, PNG or WebP -> (H, W, 3) uint8."""
    with reading(f"{where}: an image"), Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "WEBP")) as image:
        allow_pixels(*image.size, f"{where}: an image")
        return np.asarray(image.convert("RGB"))


def read_picture(path: Path) -> np.ndarray:
    allow(existing(path).stat().st_size, str(path))
    return decode_picture(path.read_bytes(), path)
