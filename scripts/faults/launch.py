"""Faults of launch."""

from faults.fault import Fault

DRIVE = "launch/test_drive.py"
LOCAL = "launch/test_local.py"
MEMORY = "launch/test_memory.py"

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
        "case End.LOST | End.MEMORY | End.GPU_MEMORY if self._otherwise",
        "case End.LOST | End.MEMORY | End.GPU_MEMORY | End.FAILED if self._otherwise",
        f"{DRIVE}::test_a_failure_takes_down_what_needs_it_and_nothing_else",
    ),
    Fault(
        "launch: what is lost is tried for ever",
        "benchmark/launch/drive.py",
        "if wanted.tries < self.config.launch.retries and",
        "if",
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
        "launch: a batch is divided before all memory was tried",
        "benchmark/launch/drive.py",
        "most = wanted.alone or (ending.end is End.GPU_MEMORY and self._needs(wanted).gpu >= 1)",
        "most = True",
        f"{MEMORY}::test_a_batch_is_halved_once_all_memory_was_not_enough",
    ),
    Fault(
        "launch: a GPU of its own is tried once more with more memory of the machine",
        "benchmark/launch/drive.py",
        "most = wanted.alone or (ending.end is End.GPU_MEMORY and self._needs(wanted).gpu >= 1)",
        "most = wanted.alone",
        f"{MEMORY}::test_a_gpu_of_its_own_has_no_more_memory",
    ),
    Fault(
        "launch: batches are divided though that is not allowed",
        "benchmark/launch/drive.py",
        "if lack and self.config.launch.divide_batches and",
        "if lack and",
        f"{MEMORY}::test_batches_are_divided_only_where_that_is_allowed_and_possible",
    ),
    Fault(
        "launch: batches are divided by what does not divide them",
        "benchmark/launch/drive.py",
        'params.config["batch_size"] % pieces == 0',
        'params.config["batch_size"] > 0',
        f"{MEMORY}::test_batches_are_divided_only_where_that_is_allowed_and_possible",
    ),
    Fault(
        "launch: the pieces of a batch never reach the stage",
        "benchmark/launch/drive.py",
        "execution_of(self.config, job.needs, wanted.pieces)",
        "execution_of(self.config, job.needs)",
        f"{MEMORY}::test_a_pretraining_ends_in_pieces_that_fit",
    ),
    Fault(
        "launch: that memory was too small is forgotten when the pieces fail",
        "benchmark/launch/drive.py",
        "self._fail(wanted.stage, first + ending.reason)",
        "self._fail(wanted.stage, ending.reason)",
        f"{MEMORY}::test_a_method_that_compares_windows_says_so_and_what_helps",
    ),
    Fault(
        "launch: no memory on a processor is an error of the stage",
        "benchmark/core/errors.py",
        """if isinstance(error, MemoryError) or "DefaultCPUAllocator: can't allocate memory" in str(error):""",
        "if isinstance(error, MemoryError):",
        f"{MEMORY}::test_a_stage_notes_which_memory_was_too_small",
    ),
    Fault(
        "launch: a cluster does not hear that memory was too small",
        "benchmark/launch/slurm_queue.py",
        "END_OF[Memory(failure.memory)] if failure.memory else End.FAILED",
        "End.FAILED",
        "launch/test_slurm.py::test_a_stage_without_memory_and_what_waits_for_it_are_tried_again",
    ),
    Fault(
        "launch: what waits for a stage without memory has failed",
        "benchmark/launch/remote.py",
        "if any(failure and not failure.memory for failure in",
        "if any(failure for failure in",
        "launch/test_slurm.py::test_a_stage_without_memory_and_what_waits_for_it_are_tried_again",
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
