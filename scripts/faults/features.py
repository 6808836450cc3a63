"""Faults of features."""

from faults.fault import Fault

FAULTS = (
    Fault(
        "features: neighbours are searched by the keys of an earlier bank",
        "policies/knn.py",
        'does not know."""\n        self._squares = None\n',
        'does not know."""\n',
        "policies/test_knn.py::test_another_bank_of_the_same_size_is_searched_by_its_own_keys",
    ),
    Fault(
        "features: a grid is turned over",
        "benchmark/models/features.py",
        "feature.transpose(1, 2).unflatten(2, (places, places))",
        "feature.transpose(1, 2).unflatten(2, (places, places)).transpose(2, 3)",
        "models/test_features.py::test_a_grid_is_the_mean_of_what_lies_in_each_cell",
    ),
)
