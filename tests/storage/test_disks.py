"""Real disks: one that is full at every kind of stage, one that can only be read, a store behind a link."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from benchmark import registry
from benchmark.cli.main import main, parse
from benchmark.cli.selection import request
from benchmark.launch.base import execution_of, publish
from benchmark.planning.estimates import PARAMS
from benchmark.planning.graph import Stage
from benchmark.planning.recipes import make_plan, video_stage, visualize_stages
from benchmark.storage.artifacts import Store
from tests.toy import Guided

SIZE = 64  # MB
ROOM = (0, 40_000)  # bytes left: nothing can be written, or something can
COMMAND = (
    *("run", "--methods", "byol", "--envs", "guided", "--policies", "vqbet", "--preset", "smoke", "--quiet"),
    *("machine.threads=1", "machine.workers=0", "method.byol.width=8", "pretrain.steps=4", "pretrain.checkpoint_every=2"),
    *("policy.vqbet.chunk=1", "policy.vqbet.execute=1", "fit.dagger.rounds=1", "fit.dagger.episodes=1", "fit.dagger.steps=2"),
    *("method.byol.batch_size=8", "fit.steps=4", "fit.checkpoint_every=2", "rollout.episodes=2", "rollout.slots=2"),
)


@pytest.fixture(autouse=True)
def _guided() -> Iterator[None]:
    registry.envs().add(Guided)
    yield
    registry.envs().remove(Guided.name)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}m", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("mounting a small tmpfs needs root")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def fill(disk: Path, room: int) -> Path:
    """A file that takes all of a disk but so many bytes."""
    path = disk / "filler"
    with path.open("wb") as file:
        free = os.statvfs(disk)
        os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize - room)
    return path


def stages(home: Path) -> list[Stage]:
    plan = make_plan(request(parse([*COMMAND, "--home", str(home)])))
    (cell,) = plan.cells
    assert not cell.refused
    planned = [*plan.stages.values(), *visualize_stages(plan).values(), video_stage(plan, cell, 1)]
    store, execution = Store(home).prepare(), execution_of(next(iter(plan.configs.values())))
    for stage in planned:
        publish(store, stage, execution)
    known = {stage.key: stage for stage in planned}
    order = TopologicalSorter({stage.key: [ref.key for ref in stage.inputs.values()] for stage in planned}).static_order()
    return [known[key] for key in order]


def test_every_kind_of_stage_says_so_and_goes_on(small_disk: Path, capfd: pytest.CaptureFixture[str]) -> None:
    home = small_disk / "runs"
    planned = stages(home)
    assert {stage.kind for stage in planned} == set(PARAMS)
    for stage in planned:
        worker = ["worker", stage.key, "--home", str(home)]
        for room in ROOM:
            filler = fill(small_disk, room)
            code = main(worker)
            said = capfd.readouterr()
            filler.unlink()
            if room == 0 or code:
                assert code, f"{stage.label} was published on a full disk"
                assert "Traceback" not in said.err
                assert "No space left" in said.err or "disk is full" in said.err, said.err
        assert main(worker) == 0, f"{stage.label} does not go on\n{capfd.readouterr().err}"
        capfd.readouterr()
    assert main(["results", "verify", "--home", str(home)]) == 0


READING = (("table", "main"), ("results", "ls"), ("results", "verify"), ("power",), ("plan", *COMMAND[1:]))


def test_a_store_that_can_only_be_read_is_read(small_disk: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    home, real = tmp_path / "link to a störe", small_disk / "runs"
    real.mkdir()
    home.symlink_to(real)
    assert main([*COMMAND, "--home", str(home)]) == 0
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    before = capfd.readouterr().out
    for words in READING:
        assert main([*words, "--home", str(home)]) == 0, words
    output = tmp_path / "export"
    assert main(["results", "export", str(output), "--home", str(home)]) == 0
    assert main(["report", "--home", str(home), "--output", str(tmp_path / "page.html")]) == 0
    capfd.readouterr()
    assert main([*COMMAND, "--home", str(home), "rollout.episodes=3"]) == 2
    said = capfd.readouterr().err
    assert said.count("error: ") == 1
    assert "Read-only file system" in said
    assert "Traceback" not in said
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
    assert main([*COMMAND, "--home", str(home)]) == 0
    assert capfd.readouterr().out == before
