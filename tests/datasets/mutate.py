"""Seeded damage to files of strangers: to their bytes, and to what they say in their own format, which passes checksums."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.datasets.crc32c import crc32c
from benchmark.datasets.tfrecord import records

ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1.5,
    2**31,
    2**63,
    -(2**70),
    1e308,
    "",
    "x",
    "../../x",
    "\x1b[2J",
    "9" * 400,
    [],
    {},
    [[]],
)
ODD_TEXT = ("", "NA", "nan", "inf", "-1", "1e309", "9" * 30, "a,b", '"', "\x00", "\x1b[31m", "$\\frac{$", "é", "True")
DTYPES = ("<f4", "<f8", "<i8", "|u1", "|b1", "<c8", "<U3", "<f2")


def mutate(root: Path, rng: random.Random, pattern: str = "**/*") -> str:
    """Damage one file of a tree; what was done."""
    files = sorted(path for path in root.glob(pattern) if path.is_file())
    path = rng.choice(files)
    kinds: list[Callable[[Path, random.Random], None]] = [_flip, _cut, _extreme, _repeat, _replace]
    kinds += [special] * 5 if (special := SPECIAL.get(_kind(path))) else []
    kind = rng.choice(kinds)
    kind(path, rng)
    return f"{kind.__name__.strip('_')} {path.relative_to(root)}"


def _kind(path: Path) -> str:
    return "tfrecord" if ".tfrecord" in path.name else "json" if path.name == ".zarray" else path.suffix[1:]


# ---------------------------------------------------------------------------------------------------------------- bytes


def _flip(path: Path, rng: random.Random) -> None:
    data = bytearray(path.read_bytes())
    for _ in range(rng.choice((1, 4, 32)) if data else 0):
        data[rng.randrange(len(data))] = rng.randrange(256)
    path.write_bytes(data)


def _cut(path: Path, rng: random.Random) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: rng.randrange(len(data) + 1)])


def _extreme(path: Path, rng: random.Random) -> None:
    """A length or an offset, perhaps."""
    data = bytearray(path.read_bytes())
    value = rng.choice((2**64 - 1, 2**63 - 1, 2**32 - 1, 2**31, 2**40, 0))
    place = rng.randrange(min(len(data), rng.choice((64, 4096, 2**30))) + 1)
    data[place : place + 8] = struct.pack("<Q", value)
    path.write_bytes(data)


def _repeat(path: Path, rng: random.Random) -> None:
    data = path.read_bytes()
    first, last = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    path.write_bytes(data[:last] + data[first:last] * rng.choice((1, 2, 50)) + data[last:])


def _replace(path: Path, rng: random.Random) -> None:
    """By nothing, another kind of file, a link or a pipe."""
    path.unlink()
    match rng.randrange(6):
        case 0:
            path.mkdir()
        case 1:
            path.symlink_to("/dev/zero")
        case 2:
            path.symlink_to(path.name)
        case 3:
            os.mkfifo(path)
        case 4:
            path.write_bytes(rng.choice((b"", b"\0" * 4096, b"\x80\x04N.", b"PK\x03\x04", b"[" * 10**5, rng.randbytes(300))))


# ------------------------------------------------------------------------------------------------- in their own format


def _json(path: Path, rng: random.Random) -> None:
    try:
        holder = [json.loads(path.read_text())]
    except ValueError:  # a checksum follows
        return _flip(path, rng)
    node: Any = holder
    while isinstance(node, dict | list) and node:
        key = rng.choice(list(node)) if isinstance(node, dict) else rng.randrange(len(node))
        if not (isinstance(node[key], dict | list) and node[key]) or rng.random() < 0.2:
            break
        node = node[key]
    if isinstance(node, dict) and rng.random() < 0.3:
        del node[key]
    else:
        node[key] = rng.choice(ODD)
    path.write_text(json.dumps(holder[0]))


def _csv(path: Path, rng: random.Random) -> None:
    rows = list(csv.reader(io.StringIO(path.read_text())))
    row = rng.randrange(len(rows))
    match rng.randrange(5):
        case 0:
            rows.insert(row, rows[-1])
        case 1:
            del rows[row]
        case 2:
            rows[row] = rows[row][: rng.randrange(len(rows[row]) + 1)]
        case _:
            rows[row][rng.randrange(len(rows[row]))] = rng.choice(ODD_TEXT)
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    path.write_text(out.getvalue())


def _array(rng: random.Random) -> np.ndarray:
    shape = tuple(rng.choice((0, 1, 2, 3, 4, 5, 7, 16)) for _ in range(rng.randrange(6)))
    values = rng.choice((0, 1, -1, 300, float("nan"), float("inf")))
    with np.errstate(all="ignore"):
        return np.full(shape, values, "<f8").astype(rng.choice(DTYPES))


def _npy(path: Path, rng: random.Random) -> None:
    np.save(path, _array(rng))


def _npz(path: Path, rng: random.Random) -> None:
    with np.load(path) as file:
        arrays = dict(file.items())
    arrays[rng.choice([*arrays, "actions"])] = _array(rng)
    np.savez(path, **arrays)


def _pth(path: Path, rng: random.Random) -> None:
    import torch

    array = _array(rng)
    torch.save(torch.from_numpy(array) if array.dtype.kind != "U" else {"a": [1]}, path)


def _hdf5(path: Path, rng: random.Random) -> None:
    import h5py

    with h5py.File(path, "a") as file:
        names: list[str] = []
        file.visit(names.append)
        name = rng.choice(names)
        del file[name]
        match rng.randrange(4):
            case 0:
                file[name] = h5py.SoftLink("/")
            case 1:
                file.create_group(name)
            case 2:
                array = _array(rng)
                file[name] = array if array.dtype.kind != "U" else [b"x"]


def _parquet(path: Path, rng: random.Random) -> None:
    import pandas as pd

    frame = pd.read_parquet(path)
    name = rng.choice(list(frame))
    frame[name] = (
        [rng.choice((0, 1, 2, -1, 10**15))] * len(frame)
        if rng.random() < 0.5
        else frame[name].sample(frac=1, random_state=1).values
    )
    if rng.random() < 0.3:
        frame = frame.drop(columns=name)
    frame.to_parquet(path)


def _tfrecord(path: Path, rng: random.Random) -> None:
    """Bytes of a record, with a checksum that fits."""
    payloads = [bytearray(payload) for payload in records(path)]
    payload = rng.choice(payloads)
    for _ in range(rng.choice((1, 3))):
        payload[rng.randrange(min(len(payload), rng.choice((40, 10**6))))] = rng.randrange(256)
    lengths = [struct.pack("<Q", len(payload)) for payload in payloads]
    pairs = zip(lengths, map(bytes, payloads), strict=True)
    path.write_bytes(b"".join(length + _crc(length) + data + _crc(data) for length, data in pairs))


def _crc(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


SPECIAL: dict[str, Callable[[Path, random.Random], None]] = {
    **{"json": _json, "csv": _csv, "npy": _npy, "npz": _npz, "pth": _pth, "hdf5": _hdf5, "h5": _hdf5},
    **{"parquet": _parquet, "tfrecord": _tfrecord},
}
