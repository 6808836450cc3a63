"""Opening other people's files: everything is checked, every complaint names the file, and nothing in it is ever run.

Arrays load without pickles, tensors with `weights_only`, pictures by the codecs named here, and a path that is named inside a
data set may not lead out of it.
"""

from __future__ import annotations

import io
import json
import pickle
import zipfile
import zlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmark.errors import BenchmarkError, Missing


def require_packages(format_name: str, *names: str) -> None:
    if absent := [name for name in names if find_spec(name) is None]:
        raise Missing(f"reading {format_name} needs {' and '.join(absent)}; python -m pip install -e .[data]")


def inside(root: Path, name: str) -> Path:
    """The path that a data set names, which may not lead out of it."""
    path = (root / name).resolve()
    if not path.is_relative_to(root.resolve()):
        raise BenchmarkError(f"{root} names the file '{name}', which lies outside of it: refused")
    return path


def existing(path: Path) -> Path:
    if not path.is_file():
        raise BenchmarkError(f"{path} does not exist: the data set is incomplete")
    if path.stat().st_size == 0:
        raise BenchmarkError(f"{path} is empty (0 bytes)")
    return path


def read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(existing(path).read_text())
    except ValueError as error:
        raise BenchmarkError(f"{path} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise BenchmarkError(f"{path} holds no JSON object")
    return value


def load_array(path: Path) -> np.ndarray:
    """A .npy file, memory-mapped."""
    try:
        return np.load(existing(path), mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise BenchmarkError(_unloadable(path, error)) from error


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """A .npz file."""
    try:
        with np.load(existing(path), allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (ValueError, EOFError, OSError, AttributeError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise BenchmarkError(_unloadable(path, error)) from error


def load_tensor(path: Path) -> np.ndarray:
    """A tensor saved by torch.save."""
    import torch

    try:
        value = torch.load(existing(path), map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, OSError, ValueError, KeyError, AttributeError) as error:
        raise BenchmarkError(_unloadable(path, error)) from error
    if not isinstance(value, torch.Tensor):
        raise BenchmarkError(f"{path} holds a {type(value).__name__}, expected one tensor")
    return value.numpy()


def _unloadable(path: Path, error: Exception) -> str:
    text = str(error).split("\n")[0]
    with path.open("rb") as file:
        head = file.read(2)
    if head[:1] == b"\x80" or (head == b"PK" and isinstance(error, pickle.UnpicklingError)) or "object" in text.lower():
        return f"{path} holds a pickle, which is never opened because it could run code; save it as plain arrays"
    return f"{path} is truncated or damaged: {text}"


def decode_picture(data: bytes, where: Path | str) -> np.ndarray:
    """A JPEG, PNG or WebP -> (H, W, 3) uint8."""
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "WEBP")) as picture:
            return np.asarray(picture.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BenchmarkError(f"{where}: a picture is truncated or damaged: {error}") from error
