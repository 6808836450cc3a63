"""Every importer gives back what the official layout holds, whole and from any episode on."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from benchmark.cli.main import main
from benchmark.core.errors import BenchmarkError, Unavailable
from benchmark.datasets import FORMATS, files, open_source
from benchmark.datasets.crc32c import crc32c
from benchmark.datasets.tfrecord import parse, records
from benchmark.datasets.video import Video
from tests.datasets.builders import BUILDERS, dynamo_pusht, folder_of_images, folder_of_videos, rlds, zarr
from tests.datasets.builders.content import LENGTHS, SIDE, Built
from tests.datasets.builders.pictures import png
from tests.datasets.builders.tfrecords import bitwise_crc32c, example, feature, message, tfrecord

CODEC_ERROR = 4.0  # grey levels, mean over a frame: 4:2:0 colour and rounding; a wrong frame differs by tens
PUSHT = Path(os.environ.get("BENCHMARK_PUSHT_DATA") or Path(__file__).parents[3] / "shared/data/pusht")


@pytest.fixture(params=BUILDERS, ids=lambda build: build.__name__)
def built(request: pytest.FixtureRequest, tmp_path: Path) -> Built:
    return request.param(tmp_path / "data")


def test_content_comes_back(built: Built) -> None:
    source = open_source(built.path)
    said = source.describe()
    assert (source.format, said.views, said.hz, said.episodes) == (built.format, built.views, built.hz, len(LENGTHS))
    assert all(path.is_file() for path in source.files())
    episodes = list(source.episodes(0, None))
    assert [len(e.actions) for e in episodes] == list(LENGTHS)
    for number, episode in enumerate(episodes):
        np.testing.assert_array_equal(episode.actions, built.actions[number])
        for name in ("states", "proprio"):
            expected = getattr(built, name)
            wanted = expected[number] if expected else np.zeros((LENGTHS[number], 0), np.float32)
            np.testing.assert_array_equal(getattr(episode, name), wanted)
        error = np.abs(episode.frames.astype(int) - built.frames[number]).mean(axis=(2, 3, 4))
        assert (error == 0).all() if built.lossless else error.max() < CODEC_ERROR
        assert episode.info["recorded_size"] == [[SIDE, SIDE] for _ in said.views]
        if built.tasks:
            assert episode.info["task"] == built.tasks[number]


def test_can_begin_at_any_episode(built: Built) -> None:
    whole = list(open_source(built.path).episodes(0, 8))
    for start in (1, 2, 3):
        rest = list(open_source(built.path).episodes(start, 8))
        assert len(rest) == len(LENGTHS) - start
        for ours, theirs in zip(rest, whole[start:], strict=True):
            np.testing.assert_array_equal(ours.frames, theirs.frames)
            np.testing.assert_array_equal(ours.actions, theirs.actions)


def test_a_video_can_be_read_again_from_the_beginning(tmp_path: Path) -> None:
    built = folder_of_videos(tmp_path / "data")
    video = Video(built.path / "0.mp4")
    whole = list(video.take(0, 5))
    assert len(whole) == 5
    np.testing.assert_array_equal(list(video.take(1, 2)), whole[1:3])
    np.testing.assert_array_equal(list(video.take(3, 1)), whole[3:4])


def test_absent_cameras_are_black_and_named(tmp_path: Path) -> None:
    source = open_source(rlds(tmp_path / "data").path)
    assert any("image_2" in note for note in source.describe().notes)
    assert [e.info.get("absent_views") for e in source.episodes(0, None)] == [None, ["image_1"], None]


def test_one_file_of_a_data_set_is_that_file_alone(tmp_path: Path) -> None:
    built = rlds(tmp_path / "data")
    for name, members in (("train.tfrecord-00001-of-00002", [2]), ("val.tfrecord-00000-of-00001", [0])):
        source = open_source(built.path / "1.0.0" / f"toy-{name}")
        assert [path.name for path in source.files()] == [f"toy-{name}", "features.json"]
        assert not source.describe().notes[1:]
        for episode, number in zip(source.episodes(0, None), members, strict=True):
            np.testing.assert_array_equal(episode.actions, built.actions[number])


def test_of_several_versions_the_newest_is_read(tmp_path: Path) -> None:
    built = rlds(tmp_path / "data")
    shutil.copytree(built.path / "1.0.0", built.path / "1.9.0")
    (built.path / "1.0.0").rename(built.path / "1.10.0")
    assert {path.parent.name for path in open_source(built.path).files()} == {"1.10.0"}


def test_cameras_are_called_by_their_path(tmp_path: Path) -> None:
    images = [png(np.full((SIDE, SIDE, 3), step, np.uint8)) for step in range(3)]
    views = {"steps/observation/wrist/image": images, "steps/observation/top/image": images[::-1], "steps/extra": images}
    payload = example({"steps/action": np.zeros(6, np.float32), **views})
    (tmp_path / "x.tfrecord").write_bytes(tfrecord([payload]))
    source = open_source(tmp_path)
    assert source.describe().views == ("extra", "top_image", "wrist_image")
    frames = next(source.episodes(0, None)).frames[:, :, 0, 0, 0]
    np.testing.assert_array_equal(frames, [[0, 2, 0], [1, 1, 1], [2, 0, 2]])


@pytest.mark.parametrize(("name", "width"), [("", 0), ("state", 0), ("state", 2), ("action", 1)])
def test_only_what_the_simulator_understands_is_replayed(name: str, width: int, tmp_path: Path) -> None:
    built = zarr(tmp_path / "data")
    if width:
        description = built.path / f"pusht_cchi_v7_replay.zarr/data/{name}/.zarray"
        facts = json.loads(description.read_text())
        description.write_text(json.dumps({**facts, "shape": [sum(LENGTHS), width], "chunks": [5, width]}))
    elif name:
        shutil.rmtree(built.path / f"pusht_cchi_v7_replay.zarr/data/{name}")
    assert open_source(built.path).describe().env == (None if name else "pusht")


def test_what_actions_mean_is_taken_from_the_source_or_unknown(tmp_path: Path) -> None:
    said = open_source(folder_of_images(tmp_path / "a").path).describe().actions
    assert (said.representation, said.gripper, said.units) == ("delta", "1 closes", "metres")
    assert open_source(rlds(tmp_path / "b").path).describe().actions.representation == "unknown"


def test_the_pickle_of_the_pusht_release_is_left_alone(tmp_path: Path) -> None:
    source = open_source(dynamo_pusht(tmp_path / "data").path)
    list(source.episodes(0, None))
    assert not (tmp_path / "data/exploded").exists()
    assert not any(path.suffix == ".pkl" for path in source.files())


def test_frames_that_are_not_square_are_stretched_on_demand(tmp_path: Path) -> None:
    built = folder_of_images(tmp_path / "data")
    for path in built.path.rglob("*.png"):
        path.write_bytes(png(np.full((12, 24, 3), 7, np.uint8)))
    with pytest.raises(BenchmarkError, match="24 x 12; say --resolution N"):
        next(open_source(built.path).episodes(0, None))
    episode = next(open_source(built.path).episodes(0, 8))
    assert episode.frames.shape[2:] == (8, 8, 3)
    assert (episode.frames == 7).all()
    assert episode.info["recorded_size"] == [[12, 24]] * 2


def test_unknown_and_ambiguous_sources_are_explained(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BenchmarkError, match="no format that is known") as error:
        open_source(tmp_path / "empty")
    assert all(name in str(error.value) for name in FORMATS)
    both = folder_of_images(tmp_path / "both").path
    rlds(both / "rlds")
    for path in (both / "rlds/1.0.0").iterdir():
        path.rename(both / path.name)
    with pytest.raises(BenchmarkError, match=r"--format \(in `data inspect`, --as\)"):
        open_source(both)
    assert open_source(both, "folder").format == "folder"
    command = ["data", "inspect", str(both), "--home", str(tmp_path / "runs")]
    assert main(command) == 2
    assert main([*command, "--as", "folder"]) == 0


@pytest.mark.parametrize("name", ["hdf5", "lerobot", "diffusion_policy_zarr"])
def test_absent_packages_come_with_the_extra(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    builders: dict[str, Callable[[Path], Built]] = {build.__name__: build for build in BUILDERS}
    build = {"hdf5": "spawnnet", "lerobot": "lerobot", "diffusion_policy_zarr": "zarr"}[name]
    path = builders[build](tmp_path / "data").path
    monkeypatch.setattr(files, "find_spec", lambda package: None)
    with pytest.raises(Unavailable, match=r"pip install -e \.\[data\]"):
        open_source(path)


# ------------------------------------------------------------------------------------------------------------- TFRecord


@pytest.mark.parametrize("count", [0, 1, 3, 4, 255, 256, 257, 511, 512, 700, 1025, 5000])
def test_crc32c_is_the_bitwise_one(count: int) -> None:
    data = np.random.default_rng(count).bytes(count)
    assert crc32c(data) == bitwise_crc32c(data)


def test_crc32c_of_the_standard() -> None:
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA  # RFC 3720, appendix B.4
    assert crc32c(b"\xff" * 32) == 0x62A8AB43


def test_examples_of_all_kinds(tmp_path: Path) -> None:
    unpacked = message(2, b"".join(b"\x0d" + np.float32(v).tobytes() for v in (1, 2)))
    whole = example({"bytes": [b"a", b"", b"tail\0"], "ints": np.array([0, -1, 2**40]), "floats": np.float32([0.5])})
    path = tmp_path / "x.tfrecord"
    path.write_bytes(tfrecord([whole, message(1, message(1, message(1, b"floats") + message(2, unpacked)))]))
    first, second = (parse(payload, "here") for payload in records(path))
    assert first["bytes"] == [b"a", b"", b"tail\0"]
    assert list(first["ints"]) == [0, -1, 2**40]
    assert list(first["floats"]) == [0.5]
    assert list(second["floats"]) == [1, 2]


def test_sequence_examples_join_their_steps() -> None:
    steps = b"".join(message(1, feature(np.float32([step, step + 0.5]))) for step in range(3))
    context = message(1, message(1, message(1, b"name") + message(2, feature([b"robot"]))))
    found = parse(context + message(2, message(1, message(1, b"action") + message(2, steps))), "here")
    assert found["name"] == [b"robot"]
    assert list(found["action"]) == [0, 0.5, 1, 1.5, 2, 2.5]


# ------------------------------------------------------------------------------------------------------------ real data


@pytest.mark.skipif(not PUSHT.is_dir(), reason=f"no human demonstrations of Push-T in {PUSHT}")
def test_the_human_push_t_demonstrations() -> None:
    source = open_source(PUSHT)
    said = source.describe()
    assert (said.episodes, said.hz, said.actions.representation) == (206, 10.0, "absolute")
    for episode in islice(source.episodes(204, None), 2):
        assert episode.frames.shape[1:] == (1, 96, 96, 3)
        assert np.abs(np.diff(episode.states[:, :2], axis=0)).max() < 100
