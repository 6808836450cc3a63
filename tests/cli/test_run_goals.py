"""Policies that are told a goal, in whole runs on the toy environment."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.running import records, run


@pytest.mark.parametrize(("goal", "width"), [("last", 4), ("future", 4), ("task", 2), ("language", 3)])
def test_goals_reach_every_head_and_are_the_same_every_time(home: Path, tmp_path: Path, goal: str, width: int) -> None:
    few = ("env.toy.episodes=12", "split.held_out=0.5", f"fit.goal={goal}")  # so that both tasks are held out
    arguments = ("--methods", "state", "--policies", "all", *few)
    for place in (home, tmp_path / "again"):
        assert run(place, *arguments) == 0
    assert records(home) == records(tmp_path / "again")
    summaries = [json.loads(path.read_text())["summary"] for path in home.glob("fit/*/manifest.json")]
    assert {s["goal_dim"] for s in summaries} == {width}
    assert run(home, "--methods", "random,end_to_end", "--policies", "mlp", *few, "joint.batch=4") == 0


def test_a_goal_that_the_demonstrations_do_not_have_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(home, "--methods", "state", "--policies", "mlp", "fit.goal=laguage") == 2
    assert "is none of none, last, future, task, language" in capsys.readouterr().err
    one = ("env.toy.episodes=2", "fit.goal=last", "rollout.episodes=20")
    assert run(home, "--methods", "state", "--policies", "mlp", *one) == 0
    assert "no held-out demonstration shows the goal of" in capsys.readouterr().out
    assert not list(home.glob("demos/*"))
