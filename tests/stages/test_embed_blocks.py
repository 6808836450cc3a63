"""Blocks of frames that are embedded: read ahead by a thread, as for a GPU, or one after another, they are the same."""

from __future__ import annotations

import threading

import pytest
import torch

from benchmark.contracts.data import Observations
from benchmark.stages.embed import blocks

STATES = torch.arange(10.0)[:, None]


@pytest.mark.parametrize("size", [1, 3, 5, 10, 16])
def test_reading_ahead_changes_nothing(size: int) -> None:
    def look(rows: slice) -> Observations:
        return Observations(state=STATES[rows], proprio=STATES[rows, :0])

    plain, ahead = (list(blocks(look, 10, size, ahead)) for ahead in (False, True))
    assert [at for at, _ in plain] == [at for at, _ in ahead] == list(range(0, 10, size))
    for sides in (plain, ahead):
        states = [rows.state for _, rows in sides if rows.state is not None]
        assert torch.equal(torch.cat(states), STATES)


def test_the_next_block_is_read_while_one_is_worked_on() -> None:
    read, second = [], threading.Event()

    def look(rows: slice) -> Observations:
        read.append((rows.start, threading.current_thread() is threading.main_thread()))
        if rows.start == 5:
            second.set()
        return Observations(state=STATES[rows], proprio=STATES[rows, :0])

    taken = blocks(look, 10, 5, ahead=True)
    next(taken)
    assert second.wait(60), "nobody asked for the second block yet"
    assert read == [(0, False), (5, False)]
    assert next(taken)[0] == 5
    assert list(taken) == []


@pytest.mark.parametrize("ahead", [False, True])
def test_a_block_that_cannot_be_read_is_an_error_in_its_turn(ahead: bool) -> None:
    def look(rows: slice) -> Observations:
        if rows.start == 4:
            raise OSError("the disk is gone")
        return Observations(state=STATES[rows], proprio=STATES[rows, :0])

    taken = blocks(look, 10, 2, ahead)
    assert [next(taken)[0], next(taken)[0]] == [0, 2]
    with pytest.raises(OSError, match="the disk is gone"):
        next(taken)
