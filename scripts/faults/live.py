"""Faults of live."""

from faults.fault import Fault

EVENTS = "launch/test_events.py"
WATCH = "cli/test_watch.py"
SCREEN = "report/test_live.py"

FAULTS = (
    Fault(
        "live: an interrupted stage is not told",
        "benchmark/launch/execute.py",
        "                self.events.stage_interrupted(stage)\n",
        "",
        f"{EVENTS}::test_an_interruption_is_told_and_goes_on_upwards",
    ),
    Fault(
        "live: a failed cell is not told",
        "benchmark/launch/drive.py",
        "        self.events.cell_failed(cell)\n",
        "",
        f"{EVENTS}::test_every_stage_and_cell_is_told_once_in_order",
    ),
    Fault(
        "live: cells run in the order of the table",
        "benchmark/launch/drive.py",
        "for cell in execution_order(self.plan, estimates) if",
        "for cell in self.plan.cells if not cell.refused and",
        f"{EVENTS}::test_every_stage_and_cell_is_told_once_in_order",
    ),
    Fault(
        "live: a seed replaces the one before",
        "benchmark/results/partial.py",
        "of_seeds[cell.id] =",
        "of_seeds[next(iter(of_seeds), cell.id)] =",
        f"{WATCH}::test_a_second_seed_joins_the_first",
    ),
    Fault(
        "live: a quiet run hides its scores",
        "benchmark/cli/watch.py",
        "scores, Reporter()",
        "scores, reporter",
        f"{WATCH}::test_each_cell_is_one_line_with_its_score_even_of_a_quiet_run",
    ),
    Fault(
        "live: an interruption erases the scores",
        "benchmark/cli/watch.py",
        'vertical_overflow="crop") as live',
        'vertical_overflow="crop", transient=True) as live',
        f"{WATCH}::test_an_interruption_stops_the_display_and_leaves_the_scores",
    ),
    Fault(
        "live: failed cells are still waited for",
        "benchmark/cli/watch.py",
        "        del self._waiting[cell.id]\n        self._recount(failed",
        "        self._recount(failed",
        f"{WATCH}::test_what_is_left_shrinks_as_stages_end_and_without_failed_cells",
    ),
    Fault(
        "live: a table that is too wide wraps",
        "benchmark/report/live.py",
        "max_width and shown:",
        "max_width and not shown:",
        f"{SCREEN}::test_a_row_is_a_line_and_nothing_is_wider_than_the_terminal",
    ),
    Fault(
        "live: a redraw lays the grid out again",
        "benchmark/report/live.py",
        "self._drawn = cause, _Layout(",
        "self._drawn = None, _Layout(",
        f"{SCREEN}::test_a_redraw_lays_nothing_out_that_has_not_changed",
    ),
    Fault(
        "live: a failure is not shown",
        "benchmark/report/live.py",
        "if place in grid.failed:",
        "if place in grid.absent:",
        f"{SCREEN}::test_a_failure_and_what_cannot_run_are_shown_at_the_next_redraw",
    ),
    Fault(
        "live: attempts that were interrupted took no time",
        "benchmark/launch/execute.py",
        " + told.earlier",
        "",
        "launch/test_events.py::test_the_wall_time_of_a_training_is_that_of_all_its_attempts[none]",
    ),
    Fault(
        "live: a tracker hides what an earlier attempt took",
        "benchmark/launch/trackers.py",
        "        self._task.resume(seconds)\n",
        "        return\n",
        "launch/test_events.py::test_the_wall_time_of_a_training_is_that_of_all_its_attempts[wandb]",
    ),
)
