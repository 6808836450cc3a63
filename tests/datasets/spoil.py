"""What tests do to data sets: find one of their files, spoil it, read everything."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmark.datasets import open_source


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)


def one(root: Path, pattern: str) -> Path:
    return sorted(root.rglob(pattern))[0]


def everything(path: Path) -> None:
    list(open_source(path).episodes(0, None))


def rewrite(npz: Path, **changes: np.ndarray) -> None:
    with np.load(npz) as file:
        arrays = {**dict(file.items()), **changes}
    np.savez(npz, **arrays)
