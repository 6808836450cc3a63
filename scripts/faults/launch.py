"""Faults of launch."""

from faults.fault import Fault

DRIVE = "launch/test_drive.py"
LOCAL = "launch/test_local.py"

FAULTS = (
    Fault(
        "launch: a stage starts before its inputs are there",
        "benchmark/launch/drive.py",
        "            if not missing:\n                insort",
        "            if missing is not None:\n                insort",
        f"{DRIVE}::test_nothing_is_ready_before_its_inputs",
    ),
    Fault(
        "launch: a stage that raised is tried again",
        "benchmark/launch/drive.py",
        "case End.LOST | End.MEMORY if self._worth",
        "case End.LOST | End.MEMORY | End.FAILED if self._worth",
        f"{DRIVE}::test_a_failure_takes_down_what_needs_it_and_nothing_else",
    ),
    Fault(
        "launch: what is lost is tried for ever",
        "benchmark/launch/drive.py",
        "return wanted.tries < self.config.launch.retries and",
        "return",
        f"{DRIVE}::test_what_is_lost_is_tried_again_and_not_for_ever",
    ),
    Fault(
        "launch: more memory comes with more threads",
        "benchmark/planning/resources.py",
        "return replace(needs, memory=",
        "return replace(needs, cores=2, memory=",
        f"{DRIVE}::test_too_little_memory_is_tried_once_more_with_all_of_it",
    ),
    Fault(
        "launch: what another run builds has failed",
        "benchmark/launch/drive.py",
        "            case End.TAKEN:\n",
        "            case End.TAKEN if self._told:\n",
        f"{DRIVE}::test_what_another_run_builds_is_left_for_later",
    ),
    Fault(
        "launch: fail-fast goes on",
        "benchmark/launch/drive.py",
        "if self.fail_fast and run.result.failures:",
        "if self.fail_fast and run.result.waiting:",
        f"{DRIVE}::test_fail_fast_stops_at_the_first",
    ),
    Fault(
        "launch: threads depend on nothing",
        "benchmark/launch/base.py",
        "threads=config.machine.threads or (max(1, cores // processes) if cores else None),",
        "threads=config.machine.threads,",
        f"{DRIVE}::test_a_stage_is_described_with_the_threads_of_its_cores",
    ),
    Fault(
        "launch: memory is not counted",
        "benchmark/launch/local.py",
        "and memory <= self.machine.memory",
        "and memory > 0",
        f"{LOCAL}::test_no_more_runs_than_cores_memory_and_gpus_allow",
    ),
    Fault(
        "launch: a worker sees the GPUs of others",
        "benchmark/launch/local.py",
        "if worker.job is None and worker.gpus == gpus]",
        "if worker.job is None]",
        f"{LOCAL}::test_a_worker_is_used_again_for_the_same_gpus_only",
    ),
    Fault(
        "launch: libraries of a worker take all cores",
        "benchmark/launch/local.py",
        'dict.fromkeys(THREADS, "1")',
        'dict.fromkeys(THREADS, "2")',
        f"{LOCAL}::test_libraries_of_a_worker_have_one_thread_and_its_gpus",
    ),
    Fault(
        "launch: workers outlive Ctrl-C",
        "benchmark/launch/local.py",
        "            worker.process.kill()\n            worker.process.join()\n            worker.connection",
        "            worker.connection",
        f"{LOCAL}::test_a_worker_that_does_not_stop_is_killed",
    ),
    Fault(
        "launch: a worker hears Ctrl-C before it can say so in a line",
        "benchmark/launch/local.py",
        "with _environment(gpus, self.machine.gpus), deaf_children():",
        "with _environment(gpus, self.machine.gpus):",
        "launch/test_local.py::test_ctrl_c_of_a_terminal_reaches_workers_that_still_import",
    ),
    Fault(
        "launch: the first workers import everything anew",
        "benchmark/launch/choose.py",
        "        if copied:\n            local.copy",
        "        if not copied:\n            local.copy",
        f"{LOCAL}::test_a_killed_worker_costs_an_interval_and_ctrl_c_ends_everything",
    ),
)
