"""What a launcher makes of how jobs end, with an engine that runs nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmark.core.errors import BenchmarkError
from benchmark.core.progress import Reporter
from benchmark.launch import drive
from benchmark.launch.base import End, Ending, Job, published
from benchmark.launch.drive import Launcher, Result
from benchmark.launch.execute import Executor
from benchmark.launch.failures import description, write_log
from benchmark.planning.estimates import estimate
from benchmark.planning.graph import Plan, Stage
from benchmark.planning.recipes import make_plan
from benchmark.planning.request import Request
from benchmark.planning.resources import Machine, Needs, Resources
from benchmark.storage.artifacts import Store


class Told:
    """An observer that remembers what became of cells and stages."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []

    def __getattr__(self, event: str) -> Callable[..., None]:
        return lambda what, *_: self.events.append((event, getattr(what, "label", "")))


class Scripted:
    """Ends jobs as `script` says: kind and number of the try -> how it ends; DONE if nothing is said."""

    def __init__(self, store: Store, room: int = 1, holds: bool = False, **script: list[End]):
        self.store, self.room, self.holds_dependencies, self.script = store, room, holds, script
        self.running: list[Job] = []
        self.started: list[Job] = []
        self.widest = 0
        self.cancelled = self.closed = False

    def fits(self, needs: Needs) -> bool:
        return len(self.running) < self.room

    def submit(self, jobs: Sequence[Job]) -> None:
        self.running += jobs
        self.started += jobs
        self.widest = max(self.widest, len(self.running))

    def wait(self, timeout: float) -> list[Ending]:
        if not self.running:
            return []
        job = self.running.pop(0)
        ends = self.script.get(job.stage.kind, [])
        end = ends.pop(0) if ends else End.DONE
        if end is End.FAILED:
            write_log(self.store, job.key, "first\nTraceback\nlast line")
        return [Ending(job.key, end, "its process is gone" if end is End.LOST else "it broke")]

    def cancel(self) -> None:
        self.cancelled = True

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def plan(toy: type) -> Plan:
    return make_plan(Request(["random", "byol"], ["toy"], ["knn", "mlp"], 1, "smoke"))


def launch(plan: Plan, engine: Any, told: Any = None, **settings: Any) -> Result:
    estimates = estimate(plan.stages, engine.store)
    resources = Resources(plan, estimates, Machine(2, 8.0))
    executor = Executor(engine.store, Reporter(quiet=True), observer=told or Told())
    return Launcher(engine, executor, resources, **settings).run(plan, estimates, watch=not engine.holds_dependencies)


def kinds(engine: Scripted) -> list[str]:
    return [job.stage.kind for job in engine.started]


def test_every_stage_is_run_once_after_what_it_builds_on(plan: Plan, store: Store) -> None:
    engine, told = Scripted(store, room=3), Told()
    assert not launch(plan, engine, told).failed
    assert engine.widest == 3
    assert sorted(job.key for job in engine.started) == sorted(plan.stages)
    before: set[str] = set()
    for job in engine.started:
        assert {ref.key for ref in job.stage.inputs.values()} <= before | {one.key for one in engine.started}
        before.add(job.key)
    assert sum(event == "cell_finished" for event, _ in told.events) == len(plan.cells)


def test_nothing_is_ready_before_its_inputs(plan: Plan, store: Store) -> None:
    engine = Scripted(store, room=99)
    done: set[str] = set()
    submit, wait = engine.submit, engine.wait

    def checked(jobs: Sequence[Job]) -> None:
        assert all(ref.key in done for job in jobs for ref in job.stage.inputs.values())
        submit(jobs)

    def noted(timeout: float) -> list[Ending]:
        endings = wait(timeout)
        done.update(ending.key for ending in endings)
        return endings

    engine.submit, engine.wait = checked, noted  # type: ignore[method-assign]
    launch(plan, engine)
    assert done == set(plan.stages)


def test_a_failure_takes_down_what_needs_it_and_nothing_else(plan: Plan, store: Store) -> None:
    engine, told = Scripted(store, fit=[End.FAILED]), Told()
    result = launch(plan, engine, told)
    (failure,) = result.failures
    assert [cell.id.row for cell in result.failed] == [
        cell.id.row for cell in plan.cells if failure.stage.key in cell.stages.values()
    ]
    assert kinds(engine).count("fit") == 4, "a stage that raised is not tried again"
    assert kinds(engine).count("rollout") == 3
    assert sum(event == "cell_finished" for event, _ in told.events) == 3
    text = description(result.failures, store)
    assert f"worker {failure.stage.key} --home {store.root}" in text
    assert "    | last line" in text
    assert failure.stage.label in text


def test_what_is_lost_is_tried_again_and_not_for_ever(plan: Plan, store: Store) -> None:
    engine = Scripted(store, embed=[End.LOST, End.LOST])
    assert not launch(plan, engine).failed
    assert kinds(engine).count("embed") == 2 + 2
    engine, told = Scripted(store, embed=[End.LOST] * 9), Told()
    result = launch(plan, engine, told)
    assert kinds(engine).count("embed") == 2 * 3
    assert [failure.reason for failure in result.failures] == ["its process is gone"] * 2
    assert sum(event == "stage_failed" for event, _ in told.events) == 2
    assert store.failure(result.failures[0].stage.key)


def test_too_little_memory_is_tried_once_more_with_all_of_it(plan: Plan, store: Store) -> None:
    engine = Scripted(store, pretrain=[End.MEMORY, End.MEMORY])
    result = launch(plan, engine)
    first, second = [job for job in engine.started if job.stage.kind == "pretrain"][:2]
    assert first.key == second.key
    assert first.needs.memory < second.needs.memory == 8.0
    assert first.needs.cores == second.needs.cores, "another number of threads would be another number"
    assert len(result.failures) == 1


def test_what_another_run_builds_is_left_for_later(plan: Plan, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drive, "GLANCE", 0.01)
    engine = Scripted(store, pretrain=[End.TAKEN, End.TAKEN])
    assert not launch(plan, engine).failed
    assert kinds(engine).count("pretrain") == 4


def test_fail_fast_stops_at_the_first(plan: Plan, store: Store) -> None:
    engine = Scripted(store, pretrain=[End.FAILED])
    result = launch(plan, engine, fail_fast=True)
    assert engine.cancelled
    assert kinds(engine) == ["demos", "pretrain"]
    assert result.waiting


@pytest.mark.parametrize("moment", ["submit", "wait"])
def test_a_store_that_is_gone_ends_a_run(
    plan: Plan, store: Store, moment: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It has no place for what a stage has left, nor for the description of the next one."""
    engine = Scripted(store)
    before = getattr(engine, moment)

    def vanish(argument: Any) -> Any:
        result = before(argument)
        if len(engine.started) == 3:
            store.root.rename(tmp_path / "away")
        return result

    monkeypatch.setattr(engine, moment, vanish)
    with pytest.raises(BenchmarkError, match=r"is gone: .* when it is back, the same command goes on"):
        launch(plan, engine)
    assert engine.closed


def test_an_interruption_closes_the_engine(plan: Plan, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Scripted(store)

    def interrupted(timeout: float) -> list[Ending]:
        raise KeyboardInterrupt

    monkeypatch.setattr(engine, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        launch(plan, engine)
    assert engine.closed


def test_an_engine_that_holds_dependencies_gets_all_at_once_and_is_left_alone(plan: Plan, store: Store) -> None:
    engine = Scripted(store, holds=True)
    result = launch(plan, engine)
    assert {job.key for job in engine.started} == set(plan.stages)
    before: set[str] = set()
    for job in engine.started:
        assert set(job.after) == {ref.key for ref in job.stage.inputs.values()} <= before
        before.add(job.key)
    assert len(result.waiting) == len(plan.cells)


def test_a_stage_is_described_with_the_threads_of_its_cores(plan: Plan, store: Store) -> None:
    """Two of a kind on two cores have one each; the only one of its kind has both, whatever else runs."""
    engine = Scripted(store)
    launch(plan, engine)
    threads = {job.stage.kind: published(store, job.key)[1].threads for job in engine.started}
    assert threads["demos"] == 2
    assert threads["pretrain"] == threads["fit"] == 1
    assert {job.needs.cores for job in engine.started if job.stage.kind == "pretrain"} == {1}


def test_resources_can_be_overridden(toy: type, store: Store) -> None:
    overrides = ["resources.fit.cores=3", "resources.fit.memory=2.5", "resources.fit.gpu=0.5", "resources.fit.minutes=7"]
    plan = make_plan(Request(["random"], ["toy"], ["mlp"], 1, "smoke", overrides))
    of: Callable[[Stage], Needs] = Resources(plan, estimate(plan.stages, store), Machine(8, 16.0, 1)).of
    (fit,) = [stage for stage in plan.stages.values() if stage.kind == "fit"]
    (probe,) = [stage for stage in plan.stages.values() if stage.kind == "probe"]
    assert of(fit) == Needs(3, 2.5, 0.5, 7)
    assert of(probe).gpu == 0
    assert Needs(9, 99.0, 3.0).within(Machine(2, 4.0, 1)) == Needs(2, 4.0, 1.0), "alone rather than never"
