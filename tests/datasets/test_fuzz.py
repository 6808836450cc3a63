"""Damage drawn at random, the short form of `scripts/fuzz.py`: a sentence, or data; never a traceback."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from benchmark.core.errors import BenchmarkError
from benchmark.datasets import look, open_as
from benchmark.datasets.budget import MB, Budget, spending
from benchmark.results.bundle import Results
from benchmark.results.export import export, load
from benchmark.results.view import ResultsView
from tests.datasets import builders
from tests.datasets.builders.content import Built
from tests.datasets.mutate import mutate
from tests.fake_results import make

CASES = 12
QUICK = [build for build in builders.BUILDERS if build not in (builders.lerobot, builders.folder_of_videos)]  # no ffmpeg


def read(root: Path) -> None:
    cls, _ = look(root)
    with spending(Budget(64 * MB), lambda: None):
        list(open_as(cls, root).episodes(0, None))


def show(folder: Path) -> None:
    view = ResultsView(load(folder))
    for column in view.columns:
        for row in view.rows:
            view.interval(column, row)


def complaint(work: Callable[[], None], otherwise: str) -> str:
    """The sentence it ends in, or something else where it does not."""
    try:
        work()
    except BenchmarkError as error:
        return str(error)
    return otherwise


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("build", QUICK, ids=lambda build: build.__name__)
def test_damaged_data_sets_are_told_in_a_sentence(build: Callable[[Path], Built], tmp_path: Path) -> None:
    whole = build(tmp_path / "whole").path
    for case in range(CASES):
        copy = tmp_path / str(case)
        shutil.copytree(whole, copy, symlinks=True)
        done = mutate(copy, random.Random(f"suite {build.__name__} {case}"))
        assert str(copy) in complaint(partial(read, copy), str(copy)), done


@pytest.mark.filterwarnings("ignore")
def test_damaged_exports_are_told_in_a_sentence(tmp_path: Path) -> None:
    git = {"git": {"commit": "a" * 40, "dirty": False}}
    request = {"methods": ["all"], "envs": ["kitchen"], "policies": ["mlp"], "overrides": [], "preset": "quick", "seeds": 2}
    known = {"request": request, "cells": [], "stages": {}, "provenance": [git]}
    export(Results(*make(seeds=2, episodes=3), provenance=known), tmp_path / "whole")
    for case in range(3 * CASES):
        copy = tmp_path / str(case)
        shutil.copytree(tmp_path / "whole", copy)
        done = mutate(copy, random.Random(f"suite exports {case}"))
        assert str(copy) in complaint(partial(show, copy), str(copy)), done
