"""Data sets that could be read in two ways: they are refused, not read in one of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.core.errors import BenchmarkError
from benchmark.datasets.source import as_bytes, make_episode
from tests.datasets import builders
from tests.datasets.builders import dynamo
from tests.datasets.spoil import everything, one


def edit_table(path: Path, column: str, values: list[Any]) -> None:
    import pandas as pd

    frame = pd.read_parquet(path)
    frame[column] = values
    frame.to_parquet(path)


def test_a_rate_that_is_not_that_of_the_video(tmp_path: Path) -> None:
    root = builders.lerobot(tmp_path / "data").path
    info = root / "meta/info.json"
    info.write_text(json.dumps({**json.loads(info.read_text()), "fps": 5}))
    with pytest.raises(BenchmarkError, match=r"file-000\.mp4 has 10 frames per second and info\.json says 5"):
        everything(root)


def test_an_episode_that_is_listed_twice(tmp_path: Path) -> None:
    root = builders.lerobot(tmp_path / "data").path
    edit_table(root / "meta/episodes/chunk-000/file-000.parquet", "episode_index", [0, 1, 1])
    with pytest.raises(BenchmarkError, match="lists episode 1 more than once"):
        everything(root)


def test_steps_in_another_order(tmp_path: Path) -> None:
    root = builders.lerobot(tmp_path / "data").path
    edit_table(root / "data/chunk-000/file-000.parquet", "frame_index", [0, 1, 3, 2, 4, 0, 1, 2])
    with pytest.raises(BenchmarkError, match="steps of episode 0 are not in the order of frame_index"):
        everything(root)


@pytest.mark.parametrize("build", [builders.dynamo_kitchen, builders.dynamo_block_push])
def test_a_mask_with_holes(build: Any, tmp_path: Path) -> None:
    root = build(tmp_path / "data").path
    path, mask = one(root, "*mask*.npy"), dynamo.mask()
    mask[0, 2] = 0
    np.save(path, mask.T if build is builders.dynamo_kitchen else mask)
    with pytest.raises(BenchmarkError, match="the mask has holes"):
        everything(root)


@pytest.mark.parametrize("ends", [[5.0, 7.5, 12.0], [5.0, np.nan, 12.0], [5, 5, 12], [5, 8, 11]])
def test_ends_of_episodes_that_are_no_ends(ends: list[float], tmp_path: Path) -> None:
    root = builders.zarr(tmp_path / "data").path
    from numcodecs import Blosc

    place, values = one(root, "episode_ends"), np.zeros(5, np.float64)
    values[:3] = ends
    meta = json.loads((place / ".zarray").read_text())
    (place / ".zarray").write_text(json.dumps({**meta, "dtype": "<f8"}))
    (place / "0").write_bytes(Blosc("zstd").encode(values))
    with pytest.raises(BenchmarkError, match="are not whole numbers that rise to 12 steps"):
        everything(root)


def test_complex_numbers_are_not_made_real(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="here: actions are complex64"):
        make_episode({"a": np.zeros((2, 8, 8, 3), np.uint8)}, None, "here", actions=np.zeros((2, 2), np.complex64))
    with pytest.raises(BenchmarkError, match="here: images are complex64"):
        as_bytes(np.full((2, 8, 8, 3), 9 + 9j, np.complex64), "here")
    root = builders.rlds(tmp_path / "data").path
    features = one(root, "features.json")
    text = features.read_text()
    features.write_text(
        text.replace('"float32", "encoding": "zlib"', '"complex64", "encoding": "zlib"').replace('["4"]', '["2"]')
    )
    with pytest.raises(BenchmarkError, match="steps/observation/state cannot be read: a tensor of complex64"):
        everything(root)


def test_actions_without_numbers() -> None:
    with pytest.raises(BenchmarkError, match="here: an action has no numbers"):
        make_episode({"a": np.zeros((2, 8, 8, 3), np.uint8)}, None, "here", actions=np.zeros((2, 0), np.float32))


@pytest.mark.parametrize(
    "pattern", ["{chunk_index.real}/{file_index}", "{chunk_index!r}", "{0}", "{chunk_index:{file_index}d}", "{chunk_index:,}"]
)
def test_path_patterns_hold_numbers_and_nothing_else(pattern: str, tmp_path: Path) -> None:
    root = builders.lerobot(tmp_path / "data").path
    info = root / "meta/info.json"
    info.write_text(json.dumps({**json.loads(info.read_text()), "data_path": pattern}))
    with pytest.raises(BenchmarkError, match="is no path pattern"):
        everything(root)
