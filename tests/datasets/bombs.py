"""Small data sets that ask for a lot: each is written so that its announced or unfolded size is `size` bytes."""

from __future__ import annotations

import json
import math
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.datasets import builders
from tests.datasets.builders import pictures
from tests.datasets.builders.tfrecords import example, tfrecord
from tests.datasets.spoil import one

WIDTH = 16  # of an action in a bomb
ROW = 4 * WIDTH  # bytes


def npz(root: Path, size: int) -> Path:
    """Zeros, deflated."""
    folder = builders.folder_of_images(root).path
    np.savez_compressed(one(folder, "data.npz"), actions=np.zeros((size // ROW, WIDTH), np.float32))
    return folder


def tensor_of_stride_zero(root: Path, size: int) -> Path:
    """One number, repeated by the strides of the tensor."""
    folder = builders.dynamo_pusht(root).path
    torch.save(torch.zeros(1, dtype=torch.uint8).expand(size // 768, 16, 16, 3), one(folder, "episode_000.pth"))
    return folder


def tensor_deflated(root: Path, size: int) -> Path:
    """The archive of a saved tensor, packed again."""
    folder = builders.dynamo_pusht(root).path
    victim = one(folder, "episode_000.pth")
    torch.save(torch.zeros(size // 768, 16, 16, 3, dtype=torch.uint8), victim)
    with zipfile.ZipFile(victim) as file:
        members = {entry.filename: file.read(entry) for entry in file.infolist()}
    with zipfile.ZipFile(victim, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return folder


def blosc(root: Path, size: int) -> Path:
    from numcodecs import Blosc

    folder = builders.zarr(root).path
    place = one(folder, "data/img")
    meta = json.loads((place / ".zarray").read_text())
    side = math.isqrt(size // (4 * 3 * meta["shape"][0]))
    shape = [meta["shape"][0], side, side, 3]
    (place / ".zarray").write_text(json.dumps({**meta, "shape": shape, "chunks": shape}))
    for chunk in place.glob("[0-9]*"):
        chunk.unlink()
    (place / "0.0.0.0").write_bytes(Blosc("zstd").encode(np.zeros(shape, np.float32)))
    return folder


def parquet(root: Path, size: int) -> Path:
    """Rows that are all the same."""
    import pandas as pd

    folder = builders.lerobot(root).path
    path = one(folder, "data/chunk-000/file-000.parquet")
    frame = pd.read_parquet(path)
    rows = pd.DataFrame({name: [frame[name].iloc[0]] * (size // 800) for name in frame})
    rows.to_parquet(path)
    return folder


def path_width(root: Path, size: int) -> Path:
    folder = builders.lerobot(root).path
    path = folder / "meta/info.json"
    pattern = f"data/{{chunk_index:{size}d}}/{{file_index}}"
    path.write_text(json.dumps({**json.loads(path.read_text()), "data_path": pattern}))
    return folder


def deflated_tensors(root: Path, size: int) -> Path:
    """RLDS tensors without a declared shape, each below the limit of one."""
    folder = builders.rlds(root).path
    features = one(folder, "features.json")
    features.write_text(features.read_text().replace('{"dimensions": ["4"]}', '{"dimensions": ["-1"]}'))
    images = [pictures.png(np.full((16, 16, 3), step, np.uint8)) for step in range(16)]
    state = zlib.compress(bytes(size // 16 // 4 * 4))
    names = {"steps/observation/image_0": images, "steps/action": np.zeros(16 * 7, np.float32)}
    payload = example({**names, "steps/observation/state": [state] * 16})
    one(folder, "*-train.tfrecord-00000-of-00002").write_bytes(tfrecord([payload]))
    return folder


def hdf5(root: Path, size: int) -> Path:
    import h5py

    folder = builders.libero_hdf5(root).path
    with h5py.File(one(folder, "*.hdf5"), "a") as file:
        del file["data/demo_0/actions"]
        data = np.zeros((size // ROW, WIDTH), np.float32)
        file["data/demo_0"].create_dataset("actions", data=data, compression="gzip", compression_opts=9)
    return folder


def hdf5_chunk(root: Path, size: int) -> Path:
    """A chunk that inflates to more than a chunk: HDF5 itself grows its buffer for as long as there is more."""
    import h5py

    folder = builders.libero_hdf5(root).path
    with h5py.File(one(folder, "*.hdf5"), "a") as file:
        del file["data/demo_0/actions"]
        made = file["data/demo_0"].create_dataset("actions", (5, 7), np.float32, chunks=(5, 7), compression="gzip")
        made.id.write_direct_chunk((0, 0), zlib.compress(bytes(size), 9))
    return folder


def png(root: Path, size: int) -> Path:
    """One colour, 13 000 pixels wide."""
    folder = builders.folder_of_images(root).path
    side = 13_000

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(1)
    rows = b"".join([*(packer.compress(bytes(1 + side // 8)) for _ in range(side)), packer.flush()])
    header = struct.pack(">2I5B", side, side, 1, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    one(folder, "00002.png").write_bytes(data)
    return folder


def video(root: Path, size: int) -> Path:
    """Black, and larger than any camera's."""
    folder = builders.folder_of_videos(root).path
    pictures.write_video(folder / "0.mp4", np.zeros((1, 4096, 8192, 3), np.uint8), 8)
    return folder


NEEDS: dict[Callable[[Path, int], Path], str] = {
    blosc: "numcodecs",
    parquet: "pyarrow",
    path_width: "pyarrow",
    hdf5: "h5py",
    hdf5_chunk: "h5py",
}
DECLARED = (npz, tensor_of_stride_zero, tensor_deflated, blosc, parquet, path_width, deflated_tensors, hdf5, png, video)
UNDECLARED = (hdf5_chunk,)  # found out only while it is unpacked


def build(bomb: Callable[[Path, int], Path], root: Path, size: int) -> Path:
    if package := NEEDS.get(bomb):
        pytest.importorskip(package, reason="python -m pip install -e .[data]")
    return bomb(root, size)
