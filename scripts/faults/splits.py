"""Faults of splits."""

from faults.fault import Fault

HELD_OUT = "stages/test_held_out.py"

FAULTS = (
    Fault(
        "splits: pretraining on held-out demonstrations",
        "benchmark/stages/pretrain.py",
        "episodes, _ = demos.split(learning.held_out)",
        "episodes = range(len(demos))",
        f"{HELD_OUT}::test_what_is_trained_does_not_depend_on_held_out_demonstrations",
    ),
    Fault(
        "splits: tokenizers are fitted to held-out demonstrations",
        "benchmark/stages/tokenize.py",
        "    episodes, _ = demos.split(params.held_out)",
        "    episodes = sorted(sum(map(list, demos.split(params.held_out)), []))",
        f"{HELD_OUT}::test_what_is_trained_does_not_depend_on_held_out_demonstrations",
    ),
    Fault(
        "splits: policies train on held-out demonstrations",
        "benchmark/stages/fit.py",
        "training, validation = sampler(episodes), sampler(held_out)",
        "training, validation = sampler(np.arange(len(demos))), sampler(held_out)",
        f"{HELD_OUT}::test_a_bank_of_neighbours_holds_training_demonstrations_only",
    ),
    Fault(
        "splits: validation on training demonstrations",
        "benchmark/stages/fit.py",
        "training, validation = sampler(episodes), sampler(held_out)",
        "training, validation = sampler(episodes), sampler(episodes)",
        f"{HELD_OUT}::test_what_is_trained_does_not_depend_on_held_out_demonstrations",
    ),
    Fault(
        "splits: normalisers of all rows",
        "benchmark/stages/fit.py",
        "rows = torch.from_numpy(demos.steps_of(episodes))",
        "rows = torch.arange(len(actions))",
        f"{HELD_OUT}::test_what_is_trained_does_not_depend_on_held_out_demonstrations",
    ),
    Fault(
        "splits: the linear probe is fitted on held-out rows",
        "benchmark/stages/probe.py",
        "linear_r2(scaled, y[:, varies],",
        "linear_r2(scaled_test, y_test[:, varies],",
        f"{HELD_OUT}::test_probes_are_fitted_on_training_and_scored_on_held_out_demonstrations",
    ),
    Fault(
        "splits: nearest neighbours among held-out rows",
        "benchmark/stages/probe.py",
        "nearest_error(scaled, y[:, varies],",
        "nearest_error(scaled_test, y_test[:, varies],",
        f"{HELD_OUT}::test_probes_are_fitted_on_training_and_scored_on_held_out_demonstrations",
    ),
    Fault(
        "splits: recordings are scored on training demonstrations",
        "benchmark/stages/open_loop.py",
        "(_, unseen) = demos.split(params.held_out), demos.split(params.unseen)",
        "(unseen, _) = demos.split(params.held_out), demos.split(params.unseen)",
        "stages/test_open_loop.py::test_only_held_out_demonstrations_are_scored",
    ),
    Fault(
        "splits: recordings are scored that the encoder was trained on",
        "benchmark/planning/config/schema.py",
        "return min(self.held_out, self.from_policies)",
        "return self.from_policies",
        "stages/test_open_loop.py::test_what_the_encoder_was_trained_on_is_not_scored",
    ),
    Fault(
        "splits: a lost prediction has a score",
        "benchmark/stages/open_loop.py",
        "broken = None if np.isfinite(predicted).all() else",
        "broken = None if True else",
        "stages/test_open_loop.py::test_a_prediction_that_is_lost_is_no_score",
    ),
)
