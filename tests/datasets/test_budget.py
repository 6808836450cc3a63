"""Small files that ask for a lot are refused before it is allocated; what is no file is not opened."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmark.core.errors import BenchmarkError
from benchmark.datasets.budget import GB, LARGEST, MB, SMALLEST, UNFOLDING, Budget, Limits, spending
from benchmark.datasets.files import load_arrays, survey
from benchmark.datasets.reader import Reader
from tests.datasets import bombs, builders
from tests.datasets.spoil import everything, one

SIZE, LIMIT = 24 * MB, Budget(8 * MB)
REFUSED = r"refused|repeats them|no path pattern|holds more than the|exceeds specified max pixel count"


@pytest.mark.parametrize("bomb", bombs.DECLARED, ids=lambda bomb: bomb.__name__)
def test_what_a_file_announces_is_checked_first(bomb: Callable[[Path, int], Path], tmp_path: Path) -> None:
    root = bombs.build(bomb, tmp_path / "data", SIZE)
    with spending(LIMIT, lambda: None), pytest.raises(BenchmarkError, match=REFUSED) as error:
        everything(root)
    assert not isinstance(error.value.__cause__, MemoryError), "it was found out too late"
    assert str(root) in str(error.value)


@pytest.mark.parametrize("bomb", bombs.UNDECLARED, ids=lambda bomb: bomb.__name__)
def test_what_no_file_announces_the_system_refuses(bomb: Callable[[Path, int], Path], tmp_path: Path) -> None:
    root = bombs.build(bomb, tmp_path / "data", 256 * MB)
    with pytest.raises(BenchmarkError, match=str(root)), Reader(root, limits=Limits(memory=0.05)) as source:
        list(source.episodes(0, None))


def test_members_that_nobody_needs_are_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, actions=np.ones((2, 3)), other=np.zeros(SIZE // 8))
    with spending(LIMIT, lambda: None):
        assert list(load_arrays(path, ["actions", "states"])) == ["actions"]


def test_the_budget_grows_with_the_files_and_ends_below_a_quarter_of_the_machine() -> None:
    assert Limits().budget(1000).memory == SMALLEST
    assert Limits().budget(100 * MB).memory == UNFOLDING * 100 * MB
    assert Limits().budget(10**12).memory == LARGEST == 6 * GB
    assert Limits(memory=2).budget(10**12) == Budget(2 * GB)
    for wrong in (0, -1, float("nan"), float("inf")):
        with pytest.raises(BenchmarkError, match="--memory-limit"):
            Limits(memory=wrong)
        with pytest.raises(BenchmarkError, match="--time-limit"):
            Limits(seconds=wrong)


def test_holes_of_a_sparse_file_do_not_raise_the_budget(tmp_path: Path) -> None:
    root = builders.folder_of_images(tmp_path / "data").path
    before = survey(root)
    with (root / "holes.bin").open("wb") as file:
        file.truncate(2**40)
    assert survey(root) - before < MB


@pytest.mark.parametrize("name", ["episode_001/pipe", "episode_001/data.npz", "recording.json"])
def test_pipes_are_refused_before_anything_is_opened(name: str, tmp_path: Path) -> None:
    root = builders.folder_of_images(tmp_path / "data").path
    (root / name).unlink(missing_ok=True)
    os.mkfifo(root / name)
    with pytest.raises(BenchmarkError, match=rf"{root / name} is a device, a pipe or a socket"):
        everything(root)
    with pytest.raises(BenchmarkError, match="is a device, a pipe or a socket"):
        everything(root / name)


def test_sockets_and_links_to_devices_are_refused(tmp_path: Path) -> None:
    root = builders.folder_of_images(tmp_path / "data").path
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(root / "s"))
        with pytest.raises(BenchmarkError, match="is a device, a pipe or a socket"):
            everything(root)
    (root / "s").unlink()
    (root / "zero").symlink_to("/dev/zero")
    with pytest.raises(BenchmarkError, match="outside of it: refused"):
        everything(root)
    with pytest.raises(BenchmarkError, match="is a device"):
        everything(root / "zero")


@pytest.mark.parametrize(
    "name", ["data", "data/demo_0", "data/demo_0/actions", "data/demo_0/obs", "data/demo_0/obs/agentview_rgb"]
)
def test_hdf5_never_opens_another_file(name: str, tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="python -m pip install -e .[data]")
    root = builders.libero_hdf5(tmp_path / "data").path
    os.mkfifo(tmp_path / "pipe")
    with h5py.File(one(root, "*.hdf5"), "a") as file:
        del file[name]
        file[name] = h5py.ExternalLink(str(tmp_path / "pipe"), "x")
    with pytest.raises(BenchmarkError, match=r"\.hdf5") as error, Reader(root) as source:
        list(source.episodes(0, None))
    assert "--time-limit" not in str(error.value), "it waited for the pipe"
