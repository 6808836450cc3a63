"""Data sets that are not what they say: facts of another kind, odd content, sizes that nothing stands behind."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmark.cli.main import main
from benchmark.core.errors import BenchmarkError
from benchmark.datasets import open_source
from tests.datasets import builders
from tests.datasets.builders.pictures import png
from tests.datasets.builders.tfrecords import example, masked, tfrecord
from tests.datasets.spoil import everything, one, rewrite

# ----------------------------------------------------------------------------------------------------------- odd content


TENSORS: dict[str, Callable[[], torch.Tensor]] = {
    "trained": lambda: torch.zeros(5, 16, 16, 3, requires_grad=True),
    "bfloat16": lambda: torch.zeros(5, 16, 16, 3, dtype=torch.bfloat16),
    "sparse": lambda: torch.zeros(5, 16, 16, 3).to_sparse(),
    "quantised": lambda: torch.quantize_per_tensor(torch.zeros(5, 16, 16, 3), 0.1, 0, torch.quint8),
    "meta": lambda: torch.zeros(5, 16, 16, 3, device="meta"),
}


@pytest.mark.parametrize("kind", TENSORS)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_tensors_that_are_no_arrays(kind: str, tmp_path: Path) -> None:
    root = builders.dynamo_pusht(tmp_path / "data").path
    torch.save(TENSORS[kind](), root / "obses/episode_000.pth")
    with pytest.raises(BenchmarkError, match=r"episode_000\.pth cannot be read"):
        everything(root)


DEEP = [
    (builders.folder_of_images, "recording.json"),
    (builders.lerobot, "info.json"),
    (builders.rlds, "features.json"),
    (builders.zarr, "data/action/.zarray"),
]


@pytest.mark.parametrize(("build", "name"), DEEP, ids=[name for _, name in DEEP])
def test_json_that_nests_too_deep(build: Callable, name: str, tmp_path: Path) -> None:
    root = build(tmp_path / "data").path
    victim = one(root, name)
    victim.write_text("[" * 100_000)
    with pytest.raises(BenchmarkError, match=str(victim)):
        everything(root)


def announce(shape: tuple[int, ...]) -> bytes:
    """An array file that claims a shape and holds next to nothing."""
    data = io.BytesIO()
    np.lib.format.write_array_header_1_0(data, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return data.getvalue() + bytes(60)


@pytest.mark.parametrize("rows", [10**12, 10**25, -5])
def test_arrays_that_claim_too_much(rows: int, tmp_path: Path) -> None:
    root = builders.dynamo_kitchen(tmp_path / "npy").path
    (root / "actions_seq.npy").write_bytes(announce((rows, 3, 9)))
    with pytest.raises(BenchmarkError, match=r"actions_seq\.npy cannot be read"):
        everything(root)
    root = builders.folder_of_images(tmp_path / "npz").path
    with zipfile.ZipFile(one(root, "data.npz"), "w") as file:
        file.writestr("actions.npy", announce((rows * 100, 3)))
    with pytest.raises(BenchmarkError, match=r"data\.npz cannot be read"):
        everything(root)


@pytest.mark.parametrize("mask", [np.full((5, 3), "1.0"), np.full((5, 3), np.nan), -np.ones((5, 3)), np.ones(5)])
def test_masks_are_zeros_and_ones(mask: np.ndarray, tmp_path: Path) -> None:
    root = builders.dynamo_kitchen(tmp_path / "data").path
    np.save(root / "existence_mask.npy", mask)
    with pytest.raises(BenchmarkError, match="expected zeros and ones"):
        everything(root)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"hz": "5"}, "'hz' is '5', expected a number"),
        ({"hz": [5]}, "expected a number"),
        ({"hz": 5, "actions": {"gripper": ["a"]}}, "'actions' may hold texts"),
        ({"hz": 5, "actions": {"representation": {}}}, "'actions' may hold texts"),
        ([], "holds no JSON object"),
    ],
)
def test_facts_of_another_kind(facts: Any, message: str, tmp_path: Path) -> None:
    root = builders.folder_of_images(tmp_path / "data").path
    (root / "recording.json").write_text(json.dumps(facts))
    with pytest.raises(BenchmarkError, match=rf"recording\.json.*{message}"):
        open_source(root).describe()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("features", []),
        ("features", {"action": 1}),
        ("features", {"action": {}, "observation.images.top": {"dtype": "video", "info": [1]}}),
        ("fps", 10**400),
        ("fps", "x"),
        ("fps", None),
        ("data_path", None),
        ("data_path", "a\0b"),
        ("data_path", "a" * 300),
        ("data_path", "{chunk_index:99999999999}"),
        ("data_path", "{chunk_index:x}"),
        ("action_semantics", ["units"]),
    ],
)
def test_lerobot_facts_of_another_kind(name: str, value: Any, tmp_path: Path) -> None:
    root = builders.lerobot(tmp_path / "data").path
    path = root / "meta/info.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))
    with pytest.raises(BenchmarkError, match=str(root)):
        everything(root)


@pytest.mark.parametrize(
    ("table", "column", "values"),
    [
        ("meta/episodes", "episode_index", [None, 1, 2]),
        ("meta/episodes", "tasks", [1, 2, 3]),
        ("meta/episodes", "tasks", [[1], [2], [3]]),
        ("meta/episodes", "length", ["a", "b", "c"]),
        ("meta/episodes", "data/chunk_index", [1e300] * 3),
        ("data", "action", [[1.0, 2.0]] * 7 + [[1.0]]),
        ("data", "action", ["x"] * 8),
        ("data", "action", [None] * 8),
    ],
)
def test_lerobot_columns_of_another_kind(table: str, column: str, values: list[Any], tmp_path: Path) -> None:
    root = builders.lerobot(tmp_path / "data").path
    import pandas as pd

    path = root / table / "chunk-000/file-000.parquet"
    frame = pd.read_parquet(path)
    frame[column] = values
    frame.to_parquet(path)
    with pytest.raises(BenchmarkError, match=str(root)):
        everything(root)


@pytest.mark.parametrize("change", [{"chunks": []}, {"shape": [float("inf"), 2]}, {"shape": [10**30, 2]}, {"compressor": None}])
def test_zarr_descriptions_of_another_kind(change: dict[str, Any], tmp_path: Path) -> None:
    path = one(builders.zarr(tmp_path / "data").path, "data/action/.zarray")
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(BenchmarkError, match=str(path)):
        everything(tmp_path / "data")


@pytest.mark.parametrize("feature", [{"image": {"shape": [1]}}, {"image": [1]}, {"tensor": {"shape": {"dimensions": ["x"]}}}])
def test_rlds_descriptions_of_another_kind(feature: dict[str, Any], tmp_path: Path) -> None:
    root = builders.rlds(tmp_path / "data").path
    path = one(root, "features.json")
    path.write_text(json.dumps({"featuresDict": {"features": {"steps": {"sequence": {"feature": feature}}}}}))
    with pytest.raises(BenchmarkError, match=rf"{path} cannot be read"):
        everything(root)


def test_a_picture_without_a_declared_shape_is_colour(tmp_path: Path) -> None:
    root = builders.rlds(tmp_path / "data").path
    path = one(root, "features.json")
    path.write_text(path.read_text().replace('["16", "16", "3"]', "[]"))
    assert open_source(root).describe().views == ("image_0", "image_1")


def test_a_name_that_is_too_long(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for verb, *flags in (("import", "--name", "x"), ("inspect",)):
        assert main(["data", verb, "a" * 300, *flags, "--home", str(tmp_path)]) == 2
        assert "File name too long" in capsys.readouterr().err


def test_a_changing_number_of_actions_is_told_by_inspect(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = builders.folder_of_images(tmp_path / "data").path
    rewrite(sorted(root.rglob("data.npz"))[2], actions=np.zeros((4, 5), np.float32))
    assert main(["data", "inspect", str(root), "--home", str(tmp_path / "runs")]) == 2
    assert f"{root}, episode 2: actions has shape (4, 5), expected (4, 3)" in capsys.readouterr().err


# ---------------------------------------------------------------------------------------------------- announced sizes


@pytest.mark.parametrize(
    ("name", "shape", "chunks"),
    [("actions", (10**12, 7), (1000, 7)), ("obs/agentview_rgb", (3, 200_000, 200_000, 3), (1, 100, 100, 3))],
)
def test_hdf5_that_claims_more_than_it_stores(
    name: str, shape: tuple[int, ...], chunks: tuple[int, ...], tmp_path: Path
) -> None:
    h5py = pytest.importorskip("h5py", reason="python -m pip install -e .[data]")
    root = builders.libero_hdf5(tmp_path / "data").path
    with h5py.File(one(root, "*.hdf5"), "a") as file:
        del file[f"data/demo_2/{name}"]
        file.create_dataset(f"data/demo_2/{name}", shape=shape, dtype="u1", chunks=chunks)
    with pytest.raises(BenchmarkError, match=rf"\.hdf5, data/demo_2: {name} claims uint8 .* the file holds 0 bytes of it"):
        everything(root)


def test_hdf5_may_be_compressed(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="python -m pip install -e .[data]")
    root = builders.libero_hdf5(tmp_path / "data").path
    with h5py.File(one(root, "*.hdf5"), "a") as file:
        del file["data/demo_2/obs/agentview_rgb"]
        black = np.zeros((3, 512, 512, 3), np.uint8)
        file["data/demo_2/obs"].create_dataset("agentview_rgb", data=black, compression="gzip", compression_opts=9)
    assert len(list(open_source(root).episodes(0, 16))) == 3


@pytest.mark.parametrize(
    ("size", "message"), [(64 << 20, "holds more than the 16 bytes"), (15, "cannot be read"), (0, "truncated")]
)
def test_deflated_tensors_hold_what_their_shape_says(size: int, message: str, tmp_path: Path) -> None:
    root = builders.rlds(tmp_path / "data").path
    state = zlib.compress(bytes(size)) if size else zlib.compress(bytes(16))[:-6]
    image = [png(np.full((16, 16, 3), step, np.uint8)) for step in range(2)]
    features = {"steps/observation/image_0": image, "steps/action": np.zeros(14, np.float32)}
    payload = example({**features, "steps/observation/state": [state] * 2})
    path = one(root, "*-train.tfrecord-00000-of-00002")
    path.write_bytes(tfrecord([payload]))
    with pytest.raises(BenchmarkError, match=rf"{path}, record 0: steps/observation/state.*{message}"):
        everything(root)


def test_a_record_that_announces_too_much_is_not_read(tmp_path: Path) -> None:
    length = struct.pack("<Q", 2**60)
    path = tmp_path / "x.tfrecord"
    path.write_bytes(length + masked(length) + b"short")
    with pytest.raises(BenchmarkError, match=r"x\.tfrecord, record 0 is truncated: 1152921504606846976 bytes"):
        open_source(tmp_path)


def test_lerobot_tables_must_agree(tmp_path: Path) -> None:
    root = builders.lerobot(tmp_path / "data").path
    import pandas as pd

    path = root / "data/chunk-000/file-000.parquet"
    pd.read_parquet(path).iloc[:-1].to_parquet(path)
    with pytest.raises(BenchmarkError, match=r"file-000\.parquet holds 2 steps of episode 1, its table announces 3"):
        everything(root)


def test_older_lerobot_versions_are_told_apart(tmp_path: Path) -> None:
    root = builders.lerobot(tmp_path / "data").path
    info = json.loads((root / "meta/info.json").read_text())
    (root / "meta/info.json").write_text(json.dumps({**info, "codebase_version": "v2.1"}))
    with pytest.raises(BenchmarkError, match=r"LeRobotDataset v2\.1; only v3\.0"):
        everything(root)


def test_an_archive_with_odd_members_is_damaged(tmp_path: Path) -> None:
    root = builders.folder_of_images(tmp_path / "data").path
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as file:
        file.writestr("../../actions.npy", b"no array")
    one(root, "data.npz").write_bytes(data.getvalue())
    with pytest.raises(BenchmarkError, match=r"data\.npz"):
        everything(root)
