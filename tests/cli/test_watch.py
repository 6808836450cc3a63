"""What is said of a run while it goes on, told the events of one. Nothing is trained here."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchmark.cli.watch import LineObserver, ScreenObserver, drawing, make_observer
from benchmark.core.progress import Reporter, duration
from benchmark.launch.events import ReporterObserver
from benchmark.planning.estimates import Estimate
from benchmark.planning.graph import Plan, RunCell
from benchmark.planning.recipes import make_plan
from benchmark.planning.request import Request
from benchmark.results.partial import PartialScores, Place
from benchmark.storage.records import EpisodeRecord, write_records

SHOW_CURSOR, ERASE_LINE = "\x1b[?25h", "\x1b[2K"


class FakeStore:
    """Rollouts of every cell: two episodes, one of which crashed."""

    def __init__(self, folder: Path):
        self.folder = folder
        write_records(folder, [EpisodeRecord(0, 7, 5, 1.0, False), EpisodeRecord(1, 8, 3, 0.0, True, "it broke")])

    def open(self, kind: str, key: str) -> Path:
        return self.folder


@pytest.fixture
def plan(toy: type) -> Plan:
    return make_plan(Request(["random", "state"], ["toy"], ["knn"], 2, "smoke"))


@pytest.fixture
def scores(plan: Plan, tmp_path: Path) -> PartialScores:
    store: Any = FakeStore(tmp_path)
    return PartialScores(plan, store)


def watched(plan: Plan, scores: PartialScores) -> ScreenObserver:
    observer = ScreenObserver(plan, scores, {key: Estimate(10.0, 0) for key in plan.stages})
    observer.run_started(plan.cells)
    return observer


def terminal() -> Console:
    return Console(file=io.StringIO(), width=100, height=30, force_terminal=True)


def written(console: Console) -> str:
    text: Any = console.file
    return text.getvalue()


@pytest.mark.parametrize("quiet", [False, True])
def test_each_cell_is_one_line_with_its_score_even_of_a_quiet_run(
    plan: Plan, scores: PartialScores, quiet: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    estimates = {key: Estimate(100.0, 0) for key in plan.stages}
    observer = LineObserver(Reporter(quiet), scores, plan, estimates)
    observer.run_started(plan.cells)
    for key in plan.cells[0].stages.values():
        observer.stage_finished(plan.stages[key], 50.0)
    capsys.readouterr()
    observer.cell_finished(plan.cells[0])
    observer.cell_failed(plan.cells[1])
    done = set(plan.cells[0].stages.values())
    lefts = [{key for cell in plan.cells[n:] for key in cell.stages.values()} - done for n in (1, 2)]
    assert capsys.readouterr().err.splitlines() == [
        f"[1/4] random · toy · knn · seed 0: 0.50 of 1 (2 episodes, 1 crashed), about {duration(50 * len(lefts[0]))} left",
        f"[2/4] random · toy · knn · seed 1: failed, about {duration(50 * len(lefts[1]))} left",
    ]
    observer.cell_failed(plan.cells[2])
    observer.cell_failed(plan.cells[3])
    assert capsys.readouterr().err.splitlines()[-1] == "[4/4] state · toy · knn · seed 1: failed"


def test_a_line_with_a_command_is_never_folded() -> None:
    """A line break that the program makes would be copied with the command; one that the terminal makes is not."""
    reporter = Reporter()
    reporter.console = terminal()
    reporter.say("word " * 30)
    assert len(written(reporter.console).splitlines()) == 2
    reporter.console = terminal()
    reporter.say(f"{'word ' * 30}python -m pip install 'a' 'b'")
    assert len(written(reporter.console).splitlines()) == 1


def test_a_long_line_of_a_log_stays_one(capsys: pytest.CaptureFixture[str]) -> None:
    Reporter().say("word " * 50)
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_where_there_is_no_terminal_there_are_lines(plan: Plan, tmp_path: Path) -> None:
    store: Any = FakeStore(tmp_path)
    assert isinstance(make_observer(plan, store, {}, Reporter(quiet=True)), LineObserver)


def test_the_numbers_of_a_cell_are_computed_when_it_finishes_and_only_then(
    plan: Plan, scores: PartialScores, monkeypatch: pytest.MonkeyPatch
) -> None:
    observer, console = watched(plan, scores), terminal()
    observer.cell_finished(plan.cells[0])
    monkeypatch.setattr(scores, "add", None)
    console.print(observer.screen)
    assert "0.50 [" in written(console)
    assert "1/2" in written(console), "of two seeds"


def test_a_second_seed_joins_the_first(plan: Plan, scores: PartialScores) -> None:
    first, second = (scores.add(cell) for cell in plan.cells[:2])
    assert (first.seeds, second.seeds) == (1, 2)
    assert first.interval.covers == "episodes"
    assert second.interval.covers == "seeds and episodes"


def test_what_is_left_shrinks_as_stages_end_and_without_failed_cells(plan: Plan, scores: PartialScores) -> None:
    observer = watched(plan, scores)
    cell, stages = plan.cells[0], plan.stages
    whole = observer.screen.counts.waiting
    assert whole == 10.0 * len(stages)
    demos, pretrain = stages[cell.stages["demos"]], stages[cell.stages["pretrain"]]
    observer.stage_started(demos)
    assert observer.screen.counts.waiting == whole - 10
    assert observer.screen.grid.running == {Place.of(cell.id)}
    observer.stage_progress(demos, 3, 4, "episodes")
    (running,) = observer.screen.stages
    assert (running.label, running.done, running.total, running.note) == (demos.label, 3, 4, "episodes")
    observer.stage_finished(demos, 10.0)
    assert observer.screen.stages == ()
    assert observer.screen.grid.running == frozenset()
    observer.stage_started(pretrain)
    observer.stage_failed(pretrain, "the loss is nan")
    observer.cell_failed(cell)
    counts = observer.screen.counts
    assert (counts.cells, counts.done, counts.failed) == (4, 0, 1)
    assert observer.screen.grid.failed == {Place.of(cell.id)}
    others = {key for other in plan.cells[1:] for key in other.stages.values()} - {demos.key}
    assert counts.waiting == 10.0 * len(others)


def test_a_stage_that_fails_before_it_starts_disturbs_nothing(plan: Plan, scores: PartialScores) -> None:
    observers = [watched(plan, scores), ReporterObserver(Reporter(quiet=True))]
    for observer in observers:
        observer.stage_failed(plan.stages[plan.cells[0].stages["demos"]], "no simulator here")  # type: ignore[attr-defined]


def test_what_cannot_run_here_is_known_from_the_start(plan: Plan, scores: PartialScores) -> None:
    observer = ScreenObserver(plan, scores, {})
    runnable = [cell for cell in plan.cells if cell.id.method == "random"]
    observer.run_started(runnable)
    assert observer.screen.grid.absent == {Place.of(cell.id) for cell in plan.cells if cell.id.method == "state"}


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interruption_stops_the_display_and_leaves_the_scores(
    plan: Plan, scores: PartialScores, error: type[BaseException]
) -> None:
    observer, console = watched(plan, scores), terminal()

    def interrupted(cell: RunCell) -> None:
        with drawing(observer.screen, console):
            observer.cell_finished(cell)
            raise error

    with pytest.raises(error):
        interrupted(plan.cells[0])
    text = written(console)
    assert SHOW_CURSOR in text
    last = text.rsplit(ERASE_LINE, 1)[-1]
    assert "0.50" in last, "nothing is erased after the last drawing"
    before = len(text)
    with drawing(observer.screen, console):  # another display may start: the first has ended
        pass
    end = written(console)[before:]
    assert SHOW_CURSOR in end
    assert end.rstrip().endswith(ERASE_LINE), "the final table takes the place"


def test_an_interrupted_stage_closes_its_bar(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    reporter = Reporter()
    reporter.console, reporter.draws = terminal(), True
    observer, stage = ReporterObserver(reporter), plan.stages[plan.cells[0].stages["demos"]]
    observer.stage_started(stage)
    observer.stage_progress(stage, 1, 2, "")
    observer.stage_interrupted(stage)
    assert SHOW_CURSOR in written(reporter.console)
    with reporter.task("another"):
        pass
