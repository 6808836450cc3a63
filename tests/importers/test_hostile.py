"""Bad input: each a clear error that names the file, and nothing half-written."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.cli import main
from benchmark.errors import BenchmarkError
from benchmark.importers import open_source
from benchmark.importers.files import inside, load_array, load_arrays, load_tensor
from benchmark.importers.source import make_episode
from benchmark.store import Store
from tests.importers import builders
from tests.importers.builders import bomb


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


DAMAGE = [
    (builders.dynamo_kitchen, "actions_seq.npy", truncate),
    (builders.dynamo_kitchen, "actions_seq.npy", empty),
    (builders.dynamo_kitchen, "001.pth", truncate),
    (builders.dynamo_pusht, "states.pth", truncate),
    (builders.dynamo_pusht, "episode_000.pth", empty),
    (builders.dynamo_libero, "agentview_image.pth", truncate),
    (builders.dynamo_libero, "actions.npy", truncate),
    (builders.zarr, "0.0", truncate),
    (builders.zarr, "0.0.0.0", empty),
    (builders.lerobot, "file-000.mp4", truncate),
    (builders.lerobot, "file-000.mp4", empty),
    (builders.lerobot, "data/chunk-000/file-001.parquet", truncate),
    (builders.lerobot, "data/chunk-000/file-001.parquet", empty),
    (builders.lerobot, "episodes/chunk-000/file-000.parquet", truncate),
    (builders.lerobot, "info.json", truncate),
    (builders.rlds, "*-train.tfrecord-00000-of-00002", truncate),
    (builders.rlds, "*-train.tfrecord-00001-of-00002", flip),
    (builders.rlds, "*-train.tfrecord-00001-of-00002", empty),
    (builders.rlds, "features.json", truncate),
    (builders.libero_hdf5, "*.hdf5", truncate),
    (builders.libero_hdf5, "*.hdf5", empty),
    (builders.spawnnet, "1.h5", truncate),
    (builders.folder_of_images, "00002.png", truncate),
    (builders.folder_of_images, "00002.png", empty),
    (builders.folder_of_images, "data.npz", truncate),
    (builders.folder_of_videos, "1.mp4", truncate),
    (builders.folder_of_videos, "1.npz", empty),
]


@pytest.mark.parametrize(("build", "name", "damage"), DAMAGE, ids=[f"{b.__name__}-{n}-{d.__name__}" for b, n, d in DAMAGE])
def test_damaged_files_are_named(build: Callable, name: str, damage: Callable[[Path], None], tmp_path: Path) -> None:
    root = build(tmp_path / "data").path
    victim = one(root, name)
    damage(victim)
    with pytest.raises(BenchmarkError) as error:
        everything(root)
    assert str(victim) in str(error.value)


@pytest.mark.parametrize("name", ["agentview_image.pth", "actions.npy"])
def test_a_missing_file_is_named(name: str, tmp_path: Path) -> None:
    root = builders.dynamo_libero(tmp_path / "data").path
    sorted(root.rglob(name))[-1].unlink()
    if name == "agentview_image.pth":  # then it is not a demonstration: the others are
        assert open_source(root).describe().episodes == 2
        return
    with pytest.raises(BenchmarkError, match=f"{name} does not exist"):
        everything(root)


# -------------------------------------------------------------------------------------------------------------- pickles


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_pickles_are_never_opened(tmp_path: Path) -> None:
    mark = tmp_path / "exploded"
    for name, load in (("a.npy", load_array), ("a.npz", load_arrays), ("a.pth", load_tensor)):
        (tmp_path / name).write_bytes(bomb(mark))
        with pytest.raises(BenchmarkError, match=rf"{name} holds a pickle"):
            load(tmp_path / name)
    np.save(tmp_path / "object.npy", np.array([{}], object))
    with pytest.raises(BenchmarkError, match=r"object\.npy holds a pickle"):
        load_array(tmp_path / "object.npy")
    torch.save(torch.nn.Linear(1, 1), tmp_path / "module.pth")
    with pytest.raises(BenchmarkError, match=r"module\.pth holds a pickle"):
        load_tensor(tmp_path / "module.pth")
    torch.save({"a": torch.zeros(1)}, tmp_path / "dict.pth")
    with pytest.raises(BenchmarkError, match="holds a dict, expected one tensor"):
        load_tensor(tmp_path / "dict.pth")
    assert not mark.exists()


@pytest.mark.parametrize("suffix", [".pkl", ".pickle", ".hdf5", ".h5", ".zarr", ".tfrecord", ""])
@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_pickle_posing_as_a_data_set(suffix: str, tmp_path: Path) -> None:
    mark, path = tmp_path / "exploded", tmp_path / f"data{suffix}"
    path.write_bytes(bomb(mark))
    with pytest.raises(BenchmarkError, match=path.name):
        everything(path)
    assert not mark.exists()


# --------------------------------------------------------------------------------------------------------------- values


def rewrite(npz: Path, **changes: np.ndarray) -> None:
    with np.load(npz) as file:
        arrays = {**dict(file.items()), **changes}
    np.savez(npz, **arrays)


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        (np.full((5, 3), np.nan, np.float32), "actions contains NaN or infinite values"),
        (np.full((5, 3), 1e300), "actions contains NaN or infinite values"),
        (np.zeros((4, 3), np.float32), "4 actions, but frames: 5"),
        (np.zeros((0, 3), np.float32), "has no steps"),
        (np.zeros((5, 3, 2), np.float32), "expected rows of numbers"),
        (np.array(["left"] * 5), "expected rows of numbers"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow")
def test_bad_actions_are_refused(actions: np.ndarray, message: str, tmp_path: Path) -> None:
    root = builders.folder_of_images(tmp_path / "data").path
    npz = one(root, "data.npz")
    rewrite(npz, actions=actions)
    with pytest.raises(BenchmarkError, match=message) as error:
        everything(root)
    assert str(npz) in str(error.value)


def test_an_empty_episode_is_refused() -> None:
    with pytest.raises(BenchmarkError, match="here has no steps"):
        make_episode({"a": [], "b": []}, 8, "here", actions=np.zeros((0, 2)))


def test_zero_length_episodes_of_the_release(tmp_path: Path) -> None:
    root = builders.dynamo_block_push(tmp_path / "data").path
    mask = builders.mask()
    mask[1] = 0
    np.save(root / "multimodal_push_masks.npy", mask)
    with pytest.raises(BenchmarkError, match=r"001\.pth has no steps"):
        everything(root)


def test_a_changing_number_of_actions_is_refused(tmp_path: Path) -> None:
    root = builders.folder_of_images(tmp_path / "data").path
    rewrite(sorted(root.rglob("data.npz"))[2], actions=np.zeros((4, 5), np.float32))
    assert main(["data", "import", str(root), "--name", "x", "--home", str(tmp_path / "runs"), "--quiet"]) == 2
    assert not (tmp_path / "runs/recordings/x").exists()


def test_pictures_of_another_kind_are_refused(tmp_path: Path) -> None:
    root = builders.dynamo_pusht(tmp_path / "data").path
    builders.save_tensor(np.zeros((5, 16, 16, 3), np.float32), root / "obses/episode_000.pth")
    with pytest.raises(BenchmarkError, match=r"episode_000\.pth.*float32"):
        everything(root)


# ---------------------------------------------------------------------------------------------------------------- paths


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/b", "..", ".hidden", "", "a b", "x" * 65])
def test_names_cannot_lead_out_of_the_store(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = builders.folder_of_images(tmp_path / "data").path
    home = tmp_path / "deep/runs"
    if name:
        assert main(["data", "import", str(root), "--name", name, "--home", str(home), "--quiet"]) == 2
        assert "cannot name a recording" in capsys.readouterr().err
    for verb in (["verify", name], ["export", name, "--to", "lerobot", str(tmp_path / "out")]):
        assert main(["data", *verb, "--home", str(home)]) == 2
    assert not list(home.rglob("manifest.json"))
    assert not (tmp_path / "deep/evil").exists()


def test_a_data_set_cannot_name_files_outside_of_it(tmp_path: Path) -> None:
    root = builders.lerobot(tmp_path / "data").path
    info = json.loads((root / "meta/info.json").read_text())
    info["data_path"] = "../../{chunk_index}{file_index}"
    (root / "meta/info.json").write_text(json.dumps(info))
    with pytest.raises(BenchmarkError, match="outside of it: refused"):
        everything(root)
    (root / "link").symlink_to("/etc")
    with pytest.raises(BenchmarkError, match="refused"):
        inside(root, "link/passwd")


def test_hdf5_links_to_other_files_are_not_followed(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="python -m pip install -e .[data]")
    root = builders.spawnnet(tmp_path / "data").path
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["actions"] = np.zeros((5, 8))
    with h5py.File(one(root, "0.h5"), "a") as file:
        del file["traj_0/actions"]
        file["traj_0/actions"] = h5py.ExternalLink(str(other), "actions")
    with pytest.raises(BenchmarkError, match=r"0\.h5, traj_0: actions is no dataset of this file"):
        everything(root)


@pytest.mark.parametrize(
    "text", ["#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n1.mp4\n", "ffconcat version 1.0\nfile 1.mp4\n"]
)
def test_a_playlist_is_no_video(text: str, tmp_path: Path) -> None:
    root = builders.folder_of_videos(tmp_path / "data").path
    one(root, "0.mp4").write_text(text)
    with pytest.raises(BenchmarkError, match=r"0\.mp4 is no video"):
        everything(root)


# ---------------------------------------------------------------------------------------------------- announced sizes


def test_a_record_that_announces_too_much_is_not_read(tmp_path: Path) -> None:
    length = struct.pack("<Q", 2**60)
    path = tmp_path / "x.tfrecord"
    path.write_bytes(length + builders.masked(length) + b"short")
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


def test_nothing_is_left_of_a_failed_import(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = builders.folder_of_images(tmp_path / "data").path
    victim = sorted(root.rglob("data.npz"))[-1]
    rewrite(victim, actions=np.full((4, 3), np.inf))
    home = tmp_path / "runs"
    command = ["data", "import", str(root), "--name", "mine", "--home", str(home), "--quiet"]
    assert main(command) == 2
    assert str(victim) in capsys.readouterr().err
    assert Store(home).keys("recordings") == []
    assert main(["data", "verify", "mine", "--home", str(home)]) == 2
    rewrite(victim, actions=np.zeros((4, 3), np.float32))  # mended: the same command takes it
    assert main(command) == 0
    assert main(["data", "verify", "mine", "--home", str(home)]) == 0
