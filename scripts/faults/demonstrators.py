"""Faults of demonstrators."""

from faults.fault import Fault

FAULTS = (
    Fault(
        "demonstrators: nothing pushes them off their way",
        "benchmark/simulation/demonstrate.py",
        "np.clip(expert.executed(action), ",
        "np.clip(action, ",
        "simulation/test_demonstrate.py::test_episodes_come_in_order_and_are_those_of_one_simulator[0]",
    ),
    Fault(
        "demonstrators: noise is recorded as if it were meant",
        "envs/kitchen/expert.py",
        "return None if action is None else action.astype(np.float32)",
        "return None if action is None else self.executed(action).clip(-1, 1).astype(np.float32)",
        "envs/test_kitchen_expert.py::test_the_expert_is_pushed_off_its_way_and_means_to_come_back",
    ),
    Fault(
        "demonstrators: a push is forgotten at once, so that no way leads far off",
        "envs/kitchen/expert.py",
        "LASTING * self._pushed + ",
        "0 * self._pushed + ",
        "envs/test_kitchen_expert.py::test_the_expert_is_pushed_off_its_way_and_means_to_come_back",
    ),
)
