"""Faults of what survives kills, damage, and other machines."""

from faults.fault import Fault

CLAIMS = "storage/test_claims.py"
STORE = "storage/test_artifacts.py"
CHECKPOINTS = "training/test_checkpoints.py"
SIGNALS = "core/test_signals.py"
ROLLOUT = "simulation/test_rollout.py"

FAULTS = (
    Fault(
        "reliability: a process that is gone keeps its claim",
        "benchmark/storage/claims.py",
        "return not owner.runs()",
        "return False",
        f"{CLAIMS}::test_a_dead_process_of_this_machine_holds_nothing",
    ),
    Fault(
        "reliability: a process number that was given again counts as its first owner",
        "benchmark/storage/processes.py",
        "return self.started == _started(self.pid)",
        "return _started(self.pid) is not None",
        f"{CLAIMS}::test_a_dead_process_of_this_machine_holds_nothing",
    ),
    Fault(
        "reliability: a sign of life from another machine is not heard",
        "benchmark/storage/claims.py",
        "if look != before:",
        "if not before:",
        f"{CLAIMS}::test_a_process_elsewhere_is_gone_when_its_counter_stood_still_before_our_eyes",
    ),
    Fault(
        "reliability: a claim is given back that is another's by now",
        "benchmark/storage/claims.py",
        "if _owner(moved)[1] != name:",
        "if False:",
        f"{CLAIMS}::test_who_lost_a_claim_does_not_take_it_back",
    ),
    Fault(
        "reliability: a claim gives no sign of life",
        "benchmark/storage/claims.py",
        "        heart.start()\n",
        "        heart.run = lambda: None\n        heart.start()\n",
        f"{CLAIMS}::test_the_counter_rises_while_a_claim_is_held_and_nobody_elses_is_touched",
    ),
    Fault(
        "reliability: the values of a manifest have no checksum",
        "benchmark/storage/manifests.py",
        "if written is not None and written != _checksum(manifest):",
        "if False:",
        f"{STORE}::test_a_damaged_manifest_makes_an_artifact_absent_until_it_is_built_again[a changed value]",
    ),
    Fault(
        "reliability: what is in the way of an artifact stays there",
        "benchmark/storage/artifacts.py",
        "                self.quarantine(kind, key)\n            else:",
        "                raise\n            else:",
        f"{STORE}::test_what_is_in_the_way_of_an_artifact_is_set_aside[a folder]",
    ),
    Fault(
        "reliability: the loser of two attempts fails",
        "benchmark/storage/artifacts.py",
        "                if self.has(kind, key):\n                    return\n",
        "",
        f"{STORE}::test_of_two_attempts_the_first_that_is_whole_is_published",
    ),
    Fault(
        "reliability: the work of a dead attempt is lost",
        "benchmark/storage/artifacts.py",
        'if not work.exists() and entries(other / "work"):',
        "if False:",
        f"{STORE}::test_work_survives_an_interruption_and_out_does_not",
    ),
    Fault(
        "reliability: a full disk is known by the type of the error alone",
        "benchmark/storage/files.py",
        "or FULL_TEXT.search(str(each)) is not None",
        "or False",
        f"{STORE}::test_a_full_disk_is_told_however_a_library_puts_it",
    ),
    Fault(
        "reliability: a sealed file is not looked at",
        "benchmark/storage/files.py",
        "if len(content) <= SEAL or hashlib.sha256(data).hexdigest().encode() != written:",
        "if False:",
        f"{STORE}::test_a_sealed_file_is_whole_or_corrupt",
    ),
    Fault(
        "reliability: the weights of a checkpoint are not compared with their checksum",
        "benchmark/training/checkpoints.py",
        'if hashlib.sha256(data).hexdigest() != state["sha256"]:',
        "if False:",
        f"{CHECKPOINTS}::test_training_goes_back_to_the_last_good_one[safetensors-flipped]",
    ),
    Fault(
        "reliability: only the last checkpoint is kept",
        "benchmark/training/checkpoints.py",
        "KEPT = 2",
        "KEPT = 1",
        f"{CHECKPOINTS}::test_training_goes_back_to_the_last_good_one[safetensors-flipped]",
    ),
    Fault(
        "reliability: the best weights are not in the checkpoint",
        "benchmark/training/checkpoints.py",
        'tensors |= {f"best/{k}": v for k, v in trained.best.items()}',
        "tensors |= {}",
        f"{CHECKPOINTS}::test_a_training_that_was_stopped_after_its_last_step_has_all_that_it_made",
    ),
    Fault(
        "reliability: a second Ctrl-C disturbs cleaning up",
        "benchmark/core/signals.py",
        "    if not _come:\n        timer =",
        "    if True:\n        timer =",
        f"{SIGNALS}::test_a_second_signal_disturbs_no_cleaning_up",
    ),
    Fault(
        "reliability: a job in the background stays deaf to SIGINT",
        "benchmark/core/signals.py",
        "ENDING if not (ignored and number == signal.SIGHUP)}",
        "ENDING if signal.getsignal(number) is not signal.SIG_IGN}",
        f"{SIGNALS}::test_a_job_in_the_background_hears_who_means_it",
    ),
    Fault(
        "reliability: an episode at which a process dies is not played again",
        "benchmark/simulation/pool.py",
        "if twice := sorted(blamed & self._suspects):",
        "if twice := sorted(blamed):",
        f"{ROLLOUT}::test_an_episode_at_which_one_process_dies_is_played_again",
    ),
    Fault(
        "reliability: a full disk is not told from other errors",
        "benchmark/storage/files.py",
        "FULL = (errno.ENOSPC, errno.EDQUOT)",
        "FULL = ()",
        "storage/test_disks.py::test_every_kind_of_stage_says_so_and_goes_on",
    ),
    Fault(
        "reliability: a stage without its store fails as if it were wrong",
        "benchmark/launch/execute.py",
        "                self.store.require()\n",
        "",
        "storage/test_vanished.py::test_a_run_ends_with_a_sentence_and_goes_on_when_its_store_is_back",
    ),
    Fault(
        "reliability: a run without its store ends with a traceback",
        "benchmark/launch/drive.py",
        "            self.executor.store.require()\n",
        "",
        "launch/test_drive.py::test_a_store_that_is_gone_ends_a_run",
    ),
    Fault(
        "reliability: of a damaged claim it is said that another run builds",
        "benchmark/storage/claims.py",
        "if owner is None and claim.exists():",
        "if owner is None and not claim:",
        f"{CLAIMS}::test_a_damaged_claim_ends_as_that_of_a_silent_process_does",
    ),
    Fault(
        "reliability: a process with a name that is cut in a letter cannot claim",
        "benchmark/storage/processes.py",
        '.read_text(errors="replace").rpartition',
        ".read_text().rpartition",
        f"{CLAIMS}::test_a_process_whose_name_was_cut_in_a_letter_holds_claims",
    ),
    Fault(
        "reliability: memory of a process with a name that is cut in a letter cannot be measured",
        "benchmark/core/memory.py",
        'STATUS.read_text(errors="replace")',
        "STATUS.read_text()",
        f"{CLAIMS}::test_a_process_whose_name_was_cut_in_a_letter_holds_claims",
    ),
    Fault(
        "reliability: whoever reads a note waits for a pipe",
        "benchmark/storage/files.py",
        "if not stat.S_ISREG(path.stat().st_mode):",
        "if False:",
        "cli/test_damage.py::test_a_pipe_in_the_place_of_a_note_is_not_waited_for",
    ),
)
