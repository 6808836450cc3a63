"""What is said of work that goes on."""

from __future__ import annotations

import pytest

from benchmark.core import progress as console


def test_what_is_left_is_told_from_the_pace_since_the_first_news(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    clock = [0.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: clock[0])
    with console.Reporter().task("fit") as task:
        for now, done in ((100, 500), (120, 700), (121, 710), (200, 1500)):
            clock[0] = now
            task.update(done, 2000, "loss 1")
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["  fit: 500/2000 loss 1", "  fit: 700/2000, 2 min 10 s left loss 1", "  fit: 1500/2000, 50 s left loss 1"]
