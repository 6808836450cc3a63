"""Opening other people's files: everything is checked, every complaint names the file, and nothing in it is ever run.

Arrays load without pickles, tensors with `weights_only`, images by the codecs named here, and a path that is named inside a
data set may not lead out of it.
"""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmark.core.errors import BenchmarkError, Unavailable

# What Python and the packages that read files raise at what they cannot make sense of.
UNREADABLE = (
    *(OSError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError, MemoryError),
    *(
        EOFError,
        SyntaxError,
        struct.error,
        zlib.error,
        zipfile.BadZipFile,
        pickle.UnpicklingError,
        Image.DecompressionBombError,
    ),
)


@contextmanager
def reading(where: Path | str) -> Iterator[None]:
    """Whatever cannot be read in here is told with the name of what was read."""
    try:
        yield
    except UNREADABLE as error:
        text = str(error).strip().split("\n")[0]
        if _pickled(where, error, text):
            reason = "holds a pickle, which is never opened because it could run code; save it as plain arrays"
        else:
            reason = f"cannot be read: {repr(error) if not text or isinstance(error, LookupError) else text}"
        raise BenchmarkError(f"{where} {reason}") from error


def _pickled(where: Path | str, error: Exception, text: str) -> bool:
    if "Object arrays" in text or "Python objects" in text:  # NumPy's words
        return True
    if not isinstance(where, Path) or not (isinstance(error, pickle.UnpicklingError) or "pickled" in text):
        return False
    with where.open("rb") as file:
        head = file.read(2)
    return head[:1] == b"\x80" or (head == b"PK" and isinstance(error, pickle.UnpicklingError))


def require_packages(format_name: str, *names: str) -> None:
    if absent := [name for name in names if find_spec(name) is None]:
        raise Unavailable(f"reading {format_name} needs {' and '.join(absent)}; python -m pip install -e .[data]")


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


def read_json(path: Path) -> dict[str, Any]:
    with reading(path):
        value = json.loads(existing(path).read_text())
    if not isinstance(value, dict):
        raise BenchmarkError(f"{path} holds no JSON object")
    return value


def load_array(path: Path) -> np.ndarray:
    """A .npy file, memory-mapped."""
    with reading(path):
        return np.load(existing(path), mmap_mode="r", allow_pickle=False)


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """A .npz file."""
    with reading(path), np.load(existing(path), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def load_tensor(path: Path) -> np.ndarray:
    """A tensor saved by torch.save."""
    import torch

    with reading(path):
        value = torch.load(existing(path), map_location="cpu", weights_only=True)
        if not isinstance(value, torch.Tensor):
            raise BenchmarkError(f"{path} holds a {type(value).__name__}, expected one tensor")
        return value.numpy()


def decode_picture(data: bytes, where: Path | str) -> np.ndarray:
    """A JPEG, PNG or WebP -> (H, W, 3) uint8."""
    with reading(f"{where}: an image"), Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "WEBP")) as image:
        return np.asarray(image.convert("RGB"))
