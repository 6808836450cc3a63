"""Faults of goal-conditioned behaviour cloning, and of encoders that are told goals."""

from faults.fault import Fault

JOINT = "training/test_goals.py"
STAGES = "stages/test_goals.py"
STACKED = "models/test_stacked_resnet.py::test_observation_goal_and_places_are_stacked_from_minus_one_to_one"

FAULTS = (
    Fault(
        "gc_bc: the goal comes first",
        "benchmark/models/stacked_resnet.py",
        "torch.cat([seen, told, where], dim=1)",
        "torch.cat([told, seen, where], dim=1)",
        STACKED,
    ),
    Fault(
        "gc_bc: an observation without a goal has a grey one",
        "benchmark/models/stacked_resnet.py",
        "self.towards(images, self.read_goal(images), names)",
        "self.towards(images, torch.zeros_like(self.read_goal(images)), names)",
        STACKED,
    ),
    Fault(
        "gc_bc: the error of an action is that of one number",
        "policies/gc_bc.py",
        "return self.spec.action_dim / 2 * squared,",
        "return squared / 2,",
        "policies/test_gc_bc.py::test_the_loss_is_the_negative_log_likelihood_of_the_actions_that_exist",
    ),
    Fault(
        "gc_bc: it is asked without a goal",
        "benchmark/planning/refusals.py",
        'if policy.needs_goal and goal == "none":',
        "if False:",
        "planning/test_graph.py::test_what_needs_a_goal_is_refused_where_there_is_none",
    ),
    Fault(
        "gc_bc: the goal is not cropped with the observation",
        "benchmark/training/joint.py",
        "goal=frames[:, seen] if frames.shape[1] > seen else batch.goal",
        "goal=batch.goal",
        f"{JOINT}::test_an_observation_its_history_and_its_goal_are_augmented_alike",
    ),
    Fault(
        "gc_bc: validation is augmented",
        "benchmark/training/joint.py",
        "if self.training and self._augment != NOTHING:",
        "if self._augment != NOTHING:",
        f"{JOINT}::test_an_observation_its_history_and_its_goal_are_augmented_alike",
    ),
    Fault(
        "gc_bc: observations are told the goals of other samples",
        "benchmark/training/joint.py",
        "told = read_goal(self.encoder, goal).repeat_interleave(batch.rows.shape[1], 0)",
        "told = torch.cat([read_goal(self.encoder, goal)] * batch.rows.shape[1])",
        f"{JOINT}::test_every_observation_is_looked_at_with_the_goal_of_its_sample[images]",
    ),
    Fault(
        "gc_bc: the policy is told once more",
        "benchmark/training/joint.py",
        "            goal = None\n        elif",
        "            pass\n        elif",
        f"{JOINT}::test_every_observation_is_looked_at_with_the_goal_of_its_sample[images]",
    ),
    Fault(
        "gc_bc: rollouts tell the encoder nothing",
        "benchmark/simulation/agent.py",
        "told=self._told.values,",
        "told=None,",
        "simulation/test_agent.py::test_the_seed_of_an_episode_chooses_what_its_encoder_is_told",
    ),
    Fault(
        "gc_bc: the goal of an episode is where a demonstration began",
        "benchmark/stages/goals.py",
        "demos.ends[_held_out(context, demos)] - 1, encoder.reads",
        "demos.starts[_held_out(context, demos)], encoder.reads",
        f"{STAGES}::test_a_simulator_is_played_towards_goals[last]",
    ),
    Fault(
        "gc_bc: a recording is scored with the goal of another one",
        "benchmark/stages/open_loop.py",
        "np.array(demos.frames[[demos.ends[episode] - 1]])",
        "np.array(demos.frames[[demos.ends[episode - 1] - 1]])",
        f"{STAGES}::test_a_recording_is_scored_with_its_own_goal[early_fusion-gc_bc-future]",
    ),
    Fault(
        "gc_bc: all data sets are measured by one mean action",
        "scripts/measure_goals.py",
        "own = training[demos.part_of[training] == number]",
        "own = training",
        "test_measure_goals.py::test_each_data_set_is_measured_by_its_own_mean_action_and_goals",
    ),
    Fault(
        "gc_bc: what a robot lacks counts in its error",
        "scripts/measure_goals.py",
        "square()[:, own.dims].mean()",
        "square().mean()",
        "test_measure_goals.py::test_each_data_set_is_measured_by_its_own_mean_action_and_goals",
    ),
)
