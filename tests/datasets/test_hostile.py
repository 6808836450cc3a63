"""Bad input: each a clear error that names the file, and nothing half-written."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.cli.main import main
from benchmark.core.errors import BenchmarkError
from benchmark.datasets.files import inside, load_array, load_arrays, load_tensor
from benchmark.datasets.source import make_episode
from benchmark.storage.artifacts import Store
from tests.datasets import builders
from tests.datasets.builders import dynamo
from tests.datasets.builders.dynamo import bomb, save_tensor
from tests.datasets.builders.pictures import write_video
from tests.datasets.spoil import empty, everything, flip, one, rewrite, truncate

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


@pytest.mark.parametrize("name", ["agentview_image.pth", "robot0_eye_in_hand_image.pth", "actions.npy", "object_states.npy"])
@pytest.mark.parametrize("which", [0, -1])
def test_a_missing_file_is_named(name: str, which: int, tmp_path: Path) -> None:
    root = builders.dynamo_libero(tmp_path / "data").path
    victim = sorted(root.rglob(name))[which]
    victim.unlink()
    with pytest.raises(BenchmarkError, match=f"{victim} does not exist"):
        everything(root)


@pytest.mark.parametrize(
    ("build", "gone", "left"),
    [
        (builders.folder_of_images, "episode_001/data.npz", "episode_001/front"),
        (builders.folder_of_videos, "1.npz", "1.mp4"),
        (builders.folder_of_videos, "[12].npz", "1.mp4"),
    ],
)
def test_pictures_without_numbers_are_not_dropped(build: Callable, gone: str, left: str, tmp_path: Path) -> None:
    root = build(tmp_path / "data").path
    for path in root.glob(gone):
        path.unlink()
    with pytest.raises(BenchmarkError, match=rf"{root / left} holds images without an \.npz"):
        everything(root)


def moving_picture(path: Path, steps: int = 40) -> None:
    """A video with something in it, as a codec sees it."""
    pattern = np.kron(np.random.default_rng(0).integers(0, 255, (8, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    write_video(path, np.stack([np.roll(pattern, step, 1) for step in range(steps)]), 8)
    np.savez(path.with_suffix(".npz"), actions=np.zeros((steps, 2), np.float32))


@pytest.mark.parametrize("place", [0.5, 0.7, 0.85])
def test_a_damaged_video_is_not_painted_over(place: float, tmp_path: Path) -> None:
    video = tmp_path / "0.mp4"
    moving_picture(video)
    everything(tmp_path)
    data = bytearray(video.read_bytes())
    begin = data.index(b"mdat") + 4
    begin += int(place * struct.unpack(">I", data[begin - 8 : begin - 4])[0])
    data[begin : begin + 40] = bytes(byte ^ 0x5A for byte in data[begin : begin + 40])
    video.write_bytes(data)
    with pytest.raises(BenchmarkError, match=rf"40 actions, but frames: \d+ of 64 pixels in camera \({video}\)"):
        everything(tmp_path)


# -------------------------------------------------------------------------------------------------------------- pickles


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_pickles_are_never_opened(tmp_path: Path) -> None:
    mark = tmp_path / "exploded"
    for name, load in (("a.npy", load_array), ("a.npz", partial(load_arrays, wanted=["a"])), ("a.pth", load_tensor)):
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
    mask = dynamo.mask()
    mask[1] = 0
    np.save(root / "multimodal_push_masks.npy", mask)
    with pytest.raises(BenchmarkError, match=r"001\.pth has no steps"):
        everything(root)


def test_a_changing_number_of_actions_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = builders.folder_of_images(tmp_path / "data").path
    rewrite(sorted(root.rglob("data.npz"))[2], actions=np.zeros((4, 5), np.float32))
    assert main(["data", "import", str(root), "--name", "x", "--home", str(tmp_path / "runs"), "--quiet"]) == 2
    assert not (tmp_path / "runs/recordings/x").exists()
    assert f"{root}, episode 2: actions has shape (4, 5), expected (4, 3)" in capsys.readouterr().err


def test_pictures_of_another_kind_are_refused(tmp_path: Path) -> None:
    root = builders.dynamo_pusht(tmp_path / "data").path
    save_tensor(np.zeros((5, 16, 16, 3), np.float32), root / "obses/episode_000.pth")
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


LINKED = [
    (builders.dynamo_kitchen, "001.pth"),
    (builders.dynamo_pusht, "states.pth"),
    (builders.dynamo_libero, "actions.npy"),
    (builders.zarr, "data/img"),
    (builders.lerobot, "meta/info.json"),
    (builders.lerobot, "file-000.mp4"),
    (builders.rlds, "*-train.tfrecord-00000-of-00002"),
    (builders.rlds, "features.json"),
    (builders.libero_hdf5, "*.hdf5"),
    (builders.folder_of_images, "data.npz"),
    (builders.folder_of_images, "00002.png"),
    (builders.folder_of_images, "side"),
    (builders.folder_of_videos, "1.mp4"),
]


@pytest.mark.parametrize(("build", "name"), LINKED, ids=[f"{b.__name__}-{n}" for b, n in LINKED])
def test_links_cannot_lead_out_of_a_data_set(
    build: Callable, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = build(tmp_path / "data").path
    victim = one(root, name)
    victim.rename(tmp_path / "elsewhere")
    victim.symlink_to(tmp_path / "elsewhere")
    for verb in ("inspect", "import"):
        assert main(["data", verb, str(root), "--home", str(tmp_path / "runs")]) == 2
        assert "lies outside of it: refused" in (told := capsys.readouterr().err)
        assert victim.name in told


@pytest.mark.parametrize("target", ["itself", "nothing"])
@pytest.mark.parametrize(("build", "name"), [(builders.folder_of_images, "00002.png"), (builders.folder_of_videos, "1.mp4")])
def test_links_to_nowhere_are_named(build: Callable, name: str, target: str, tmp_path: Path) -> None:
    root = build(tmp_path / "data").path
    victim = one(root, name)
    victim.unlink()
    victim.symlink_to(victim if target == "itself" else victim.with_name("nothing"))
    with pytest.raises(BenchmarkError, match=str(victim)):
        everything(root)


def test_hdf5_links_to_other_files_are_not_followed(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="python -m pip install -e .[data]")
    root = builders.spawnnet(tmp_path / "data").path
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["actions"] = np.zeros((5, 8))
    with h5py.File(one(root, "0.h5"), "a") as file:
        del file["traj_0/actions"]
        file["traj_0/actions"] = h5py.ExternalLink(str(other), "actions")
    with pytest.raises(BenchmarkError, match=r"0\.h5, traj_0: actions is no part of this file"):
        everything(root)


@pytest.mark.parametrize(
    "text", ["#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n1.mp4\n", "ffconcat version 1.0\nfile 1.mp4\n"]
)
def test_a_playlist_is_no_video(text: str, tmp_path: Path) -> None:
    root = builders.folder_of_videos(tmp_path / "data").path
    one(root, "0.mp4").write_text(text)
    with pytest.raises(BenchmarkError, match=r"0\.mp4 is no video"):
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
    rewrite(victim, actions=np.zeros((4, 3), np.float32))  # fixed: the same command takes it
    assert main(command) == 0
    assert main(["data", "verify", "mine", "--home", str(home)]) == 0
