"""Diffusion Policy's replay buffers: arrays in chunks, as zarr."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.datasets.builders.content import LENGTHS, Built, images, numbers


def zarr(root: Path) -> Built:
    blosc = pytest.importorskip("numcodecs", reason="python -m pip install -e .[data]").Blosc("zstd")
    frames, actions, states, proprio = images(1), numbers(2), numbers(5, 1), numbers(3, 2)
    store = root / "pusht_cchi_v7_replay.zarr"
    arrays = {
        "data/img": np.concatenate(frames)[:, 0].astype(np.float32),
        "data/action": np.concatenate(actions),
        "data/state": np.concatenate(states),
        "data/robot_eef_pos": np.concatenate(proprio),
        "data/n_contacts": np.zeros((sum(LENGTHS), 1), np.float32),
        "meta/episode_ends": np.cumsum(LENGTHS),
    }
    for name, array in arrays.items():
        folder = store / name
        folder.mkdir(parents=True)
        chunk = (5, *array.shape[1:])
        meta = {"chunks": chunk, "compressor": {"id": "blosc"}, "dtype": array.dtype.str, "fill_value": 0, "filters": None}
        (folder / ".zarray").write_text(json.dumps({**meta, "order": "C", "shape": array.shape, "zarr_format": 2}))
        for number, first in enumerate(range(0, len(array), 5)):
            rows = np.zeros(chunk, array.dtype)
            rows[: len(array[first : first + 5])] = array[first : first + 5]
            (folder / ".".join([str(number), *["0"] * (array.ndim - 1)])).write_bytes(blosc.encode(rows))
    return Built(root, "diffusion_policy_zarr", ("img",), 10.0, frames, actions, states, proprio)
