"""A plan on a cluster that a test drives: what is submitted, and what is made of preemption, timeouts and dead nodes."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from benchmark.cli.main import main
from benchmark.core.errors import BenchmarkError
from benchmark.core.progress import Reporter
from benchmark.launch import slurm as slurm_module
from benchmark.launch import slurm_queue
from benchmark.launch.base import End, Ending, Job, publish
from benchmark.launch.choose import make_launcher
from benchmark.launch.execute import Executor
from benchmark.launch.slurm import SlurmEngine, StageTask
from benchmark.planning.config.schema import SlurmConfig
from benchmark.planning.estimates import estimate
from benchmark.planning.graph import Plan, Stage
from benchmark.planning.recipes import make_plan
from benchmark.planning.request import Request
from benchmark.planning.resources import Needs
from benchmark.stages.base import Execution
from benchmark.storage.artifacts import StageFailure, Store
from tests.launch.test_drive import Told
from tests.watching import seen

submitit = pytest.importorskip("submitit", reason="submitit is not installed: pip install 'encoder-benchmark[slurm]'")

from tests.launch.fake_slurm import FakeSlurm  # noqa: E402 - cloudpickle comes with submitit

SETTINGS = [
    "slurm.partition=gpu",
    "slurm.account=lab",
    "slurm.gres=gpu:a100:1",
    "resources.fit.minutes=33",
    "machine.threads=1",
]


@pytest.fixture
def plan(toy: type) -> Plan:
    return make_plan(Request(["random"], ["toy"], ["knn", "mlp"], 1, "smoke", SETTINGS))


@pytest.fixture
def cluster(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    monkeypatch.setenv("PATH", os.environ["PATH"])
    monkeypatch.setattr(slurm_module, "POLL", 0.0)
    monkeypatch.setattr(slurm_module, "PATIENCE", 0.0)
    return FakeSlurm(tmp_path / "cluster", store.root)


def engine_of(store: Store) -> SlurmEngine:
    observer: Any = Told()
    return SlurmEngine(SlurmConfig(), store, observer, Reporter(quiet=True))


def jobs_of(plan: Plan, store: Store, needs: Needs = Needs()) -> list[Job]:  # noqa: B008 - frozen
    """As the launcher makes them, described in the store."""
    jobs = []
    for stage in plan.stages.values():
        publish(store, stage, Execution(workers=1, threads=1))
        jobs.append(Job(stage, needs, tuple(sorted(ref.key for ref in stage.inputs.values()))))
    return jobs


def of_kind(plan: Plan, kind: str) -> Stage:
    return next(stage for stage in plan.stages.values() if stage.kind == kind)


def one(plan: Plan, store: Store, kind: str = "demos") -> tuple[SlurmEngine, Stage, str]:
    """An engine with one stage in the queue, and its job."""
    engine, stage = engine_of(store), of_kind(plan, kind)
    publish(store, stage, Execution(workers=1, threads=1))
    engine.submit([Job(stage, Needs())])
    return engine, stage, engine._ids[stage.key]


def test_a_script_asks_for_what_a_stage_needs(plan: Plan, store: Store, cluster: FakeSlurm) -> None:
    estimates, executor = estimate(plan.stages, store), Executor(store, Reporter(quiet=True))
    launcher = make_launcher("slurm", plan, estimates, executor, fail_fast=False)
    assert isinstance(launcher.engine, SlurmEngine)
    texts = list(launcher.engine.scripts(launcher.jobs(plan, estimates)))
    assert not cluster.queue(), "a dry run submits nothing"
    (fit,) = [text for text in texts if "--comment=fit" in text]
    for line in ("partition=gpu", "account=lab", "gres=gpu:a100:1", "time=33", "cpus-per-task=1", "requeue", "signal=USR2@90"):
        assert f"#SBATCH --{line}\n" in fit
    assert "#SBATCH --array=0-1%2" in fit
    assert "#SBATCH --dependency=afterany:ARRAY" in fit
    (probe,) = [text for text in texts if "--comment=probe" in text]
    assert "gres" not in probe, "a probe has no use for a GPU"


def test_arrays_wait_for_what_their_stages_build_on(plan: Plan, store: Store, cluster: FakeSlurm) -> None:
    engine_of(store).submit(jobs_of(plan, store))
    assert len(cluster.queue()) == len(plan.stages)
    (demos,) = [job for job in cluster.queue() if "comment=demos" in cluster.script(job)]
    assert cluster.ready() == [demos]
    assert "dependency" not in cluster.script(demos)


def test_the_same_records_as_here_and_nothing_left(plan: Plan, store: Store, cluster: FakeSlurm, tmp_path: Path) -> None:
    flags = ["--methods", "random", "--envs", "toy", "--policies", "knn,mlp", "--preset", "smoke", "--quiet", *SETTINGS]
    slurm = ["run", *flags, "--launcher", "slurm", "--home", str(store.root)]
    assert main(slurm) == 0, "it returns at once"
    while ready := cluster.ready():
        for job in ready:
            cluster.run(job)
    assert main(slurm) == 0, "the same command gathers what is there"
    assert not cluster.queue(), "and submits nothing again"
    assert main(["run", *flags, "--home", str(tmp_path / "here")]) == 0
    for path in (tmp_path / "here").glob("rollout/*/records.jsonl"):
        assert (store.root / "rollout" / path.parent.name / path.name).read_bytes() == path.read_bytes()
    assert not list(store.root.glob("running/*"))
    assert not list(store.root.glob("building/*"))


def test_a_second_command_takes_over_what_is_in_the_queue(plan: Plan, store: Store, cluster: FakeSlurm) -> None:
    engine_of(store).submit(jobs_of(plan, store))
    before = cluster.queue()
    (demos,) = cluster.ready()
    cluster.move(demos, "RUNNING")
    engine_of(store).submit(jobs_of(plan, store))
    assert cluster.queue().keys() == before.keys()


@pytest.mark.parametrize("text", ['{"a', "[1]"])
def test_a_damaged_list_of_jobs_is_said_and_written_again(
    plan: Plan, store: Store, cluster: FakeSlurm, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    engine_of(store).submit(jobs_of(plan, store))
    path = store.root / "slurm" / "jobs.json"
    path.write_text(text)
    observer: Any = Told()
    engine = SlurmEngine(SlurmConfig(), store, observer, Reporter())
    said = " ".join(capsys.readouterr().err.split())
    assert f"{path} cannot be read" in said
    assert "`scancel --name benchmark` ends what is there" in said
    engine.submit(jobs_of(plan, store))
    assert engine_of(store)._ids == engine._ids


def test_two_commands_note_the_jobs_of_both(plan: Plan, store: Store, cluster: FakeSlurm) -> None:
    first, second = engine_of(store), engine_of(store)
    jobs = [replace(job, after=()) for job in jobs_of(plan, store)]
    first.submit(jobs[:1])
    second.submit(jobs[1:])
    assert engine_of(store)._ids.keys() == {job.key for job in jobs}


def test_a_damaged_note_of_a_running_stage_is_passed_over(plan: Plan, store: Store, cluster: FakeSlurm) -> None:
    engine, stage, _ = one(plan, store)
    (store.root / "running").mkdir()
    (store.root / "running" / f"{stage.key}.json").write_text("5")
    assert engine.wait(0) == []


def test_what_was_submitted_before_a_refusal_is_not_submitted_again(plan: Plan, store: Store, cluster: FakeSlurm) -> None:
    """A limit of the cluster is met halfway."""
    (cluster.folder / "limit").write_text("103")
    with pytest.raises(BenchmarkError, match="QOSMaxSubmitJobPerUserLimit"):
        engine_of(store).submit(jobs_of(plan, store))
    before = cluster.queue()
    (cluster.folder / "limit").write_text("999")
    engine_of(store).submit(jobs_of(plan, store))
    assert before.keys() < cluster.queue().keys()
    assert len(cluster.queue()) == len(plan.stages)


def test_a_preempted_job_that_is_in_the_queue_again_is_not_over(plan: Plan, store: Store, cluster: FakeSlurm) -> None:
    """Accounting says PREEMPTED of the attempt before; submitit takes that for the end."""
    engine, stage, job = one(plan, store)
    (cluster.folder / "history" / job).write_text("PREEMPTED")
    cluster.move(job, "PENDING")
    assert engine.wait(0) == []
    (cluster.folder / "history" / job).unlink()
    cluster.move(job, "PREEMPTED")  # where clusters do not queue again
    (ending,) = engine.wait(0)
    assert (ending.key, ending.end) == (stage.key, End.LOST)


@pytest.mark.parametrize(
    ("state", "end"),
    [
        ("NODE_FAIL", End.LOST),
        ("BOOT_FAIL", End.LOST),
        ("TIMEOUT", End.LOST),
        ("OUT_OF_MEMORY", End.MEMORY),
        ("CANCELLED by 1000", End.STOPPED),
        ("FAILED", End.LOST),  # and the stage has noted nothing: its process was killed
    ],
)
def test_what_the_cluster_did_is_told_from_what_the_stage_did(
    plan: Plan, store: Store, cluster: FakeSlurm, state: str, end: End
) -> None:
    engine, stage, job = one(plan, store)
    cluster.move(job, state)
    (ending,) = engine.wait(0)
    assert ending.end is end
    assert not store.failure(stage.key)
    engine, stage, job = one(plan, store)
    store.note_failure(stage.key, StageFailure("the loss is nan"))
    cluster.move(job, "FAILED")
    assert engine.wait(0) == [Ending(stage.key, End.FAILED, "the loss is nan")]


def test_a_stage_whose_input_was_lost_waits_for_the_next_attempt(plan: Plan, store: Store, cluster: FakeSlurm) -> None:
    engine, stage, job = one(plan, store, "pretrain")
    cluster.run(job)
    assert cluster.queue() == {}
    assert [ending.end for ending in engine.wait(0)] == [End.TAKEN]
    assert not store.failure(stage.key), "nothing is wrong with it"


def test_a_stage_behind_a_failed_one_does_not_run(plan: Plan, store: Store, cluster: FakeSlurm) -> None:
    engine, stage, job = one(plan, store, "pretrain")
    store.note_failure(stage.inputs["demos"].key, StageFailure("it broke"))
    cluster.run(job)
    assert engine.wait(0) == [Ending(stage.key, End.FAILED, "a stage it builds on failed")]


def test_a_stage_without_memory_and_what_waits_for_it_are_tried_again(
    plan: Plan, store: Store, cluster: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cluster sees a program that failed; which memory was too small, the stage has noted."""

    def fail(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Executor, "_build", fail)
    for kind, end in (("demos", End.GPU_MEMORY), ("pretrain", End.TAKEN)):
        engine, _, job = one(plan, store, kind)
        cluster.run(job)
        assert (cluster.folder / "jobs" / job).read_text() == "FAILED"
        assert [ending.end for ending in engine.wait(0)] == [end]


def test_a_controller_that_does_not_answer_is_asked_again(plan: Plan, store: Store, cluster: FakeSlurm) -> None:
    engine, _, job = one(plan, store)
    (cluster.folder / "down").touch()
    assert engine.wait(0) == []
    (cluster.folder / "down").unlink()
    cluster.move(job, "NODE_FAIL")
    assert [ending.end for ending in engine.wait(0)] == [End.LOST]


def test_watching_brings_a_plan_through_a_dead_node(
    plan: Plan, store: Store, cluster: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The demonstrations die with their node; all that was queued behind them runs into nothing, and comes again."""
    estimates, executor = estimate(plan.stages, store), Executor(store, Reporter(quiet=True), observer=Told())  # type: ignore[arg-type]
    launcher = make_launcher("slurm", plan, estimates, executor, fail_fast=False)
    wait, moves = launcher.engine.wait, [0]

    def turn(timeout: float) -> list[Ending]:
        for job in cluster.ready():
            moves[0] += 1
            if moves[0] == 1:
                cluster.move(job, "NODE_FAIL")
            else:
                cluster.run(job)
        return wait(0)

    monkeypatch.setattr(launcher.engine, "wait", turn)
    result = launcher.run(plan, estimates)
    assert not result.failed
    assert all(store.has(stage.kind, stage.key) for stage in plan.stages.values())


def test_the_pickle_holds_words_and_is_queued_again_with_its_checkpoint(plan: Plan, store: Store) -> None:
    task = StageTask("abc", store.root)
    assert all(isinstance(value, str | dict) for value in vars(task).values())
    again = task.checkpoint()
    assert isinstance(again, submitit.helpers.DelayedSubmission)
    assert again.function is task


def test_other_code_than_was_queued_is_refused(plan: Plan, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Old pickles that are queued again after an update."""
    stage = of_kind(plan, "demos")
    publish(store, stage, Execution(workers=1))
    monkeypatch.setattr("benchmark.launch.base.code_behind", lambda *modules: replace(stage.code, digest="new"))
    with pytest.raises(BenchmarkError, match="was planned with other code"):
        StageTask(stage.key, store.root)()


def test_a_signal_puts_a_stage_back_into_the_queue_and_it_goes_on_from_its_checkpoint(
    toy: type, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """submitit's own executor for one machine: processes, its handler of SIGUSR2, its requeueing."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    plan = make_plan(Request(["byol"], ["toy"], ["knn"], 1, "smoke", ["pretrain.steps=100"]))
    demos, pretrain = of_kind(plan, "demos"), of_kind(plan, "pretrain")
    Executor(store, Reporter(quiet=True), Execution(workers=1)).execute(demos)
    publish(store, pretrain, Execution(threads=1, checkpoint_every=5))
    executor = submitit.LocalExecutor(tmp_path / "jobs", max_num_timeout=3)
    executor.update_parameters(timeout_min=30)
    job = executor.submit(StageTask(pretrain.key, store.root))
    while not seen(store.root, "building/**/step*.json"):
        assert not job.done(), job.stderr()
        time.sleep(0.05)
    psutil.Process(int(job.job_id)).children()[0].send_signal(signal.SIGUSR2)
    job.wait()
    said = job.stderr()
    assert store.has("pretrain", pretrain.key), said
    assert "Caught signal SIGUSR2" in said
    assert job.stdout().count("Starting with") == 2
    assert not list(store.root.glob("running/*"))


def test_without_accounting_the_store_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm_queue.shutil, "which", lambda name: None)
    assert slurm_queue.ended(["7"]) == {"7": "UNKNOWN"}


def test_without_slurm_it_says_so(plan: Plan, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BenchmarkError, match="login node"):
        engine_of(store).submit(jobs_of(plan, store))
