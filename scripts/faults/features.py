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
    Fault(
        "features: frames of the caller are normalised in place",
        "benchmark/models/images.py",
        "in_place = resized is not images and",
        "in_place = True and",
        "models/test_encoders.py::test_preparing_frames_is_the_same_arithmetic_in_place_and_leaves_them_alone",
    ),
    Fault(
        "features: rollouts see them in another precision than the policy did",
        "benchmark/simulation/agent.py",
        "encode(self.encoder, observations, self.kind, self.precision)",
        "encode(self.encoder, observations, self.kind)",
        "stages/test_accounts.py::test_embedding_and_rollouts_see_features_of_the_precision_that_was_asked_for",
    ),
    Fault(
        "features: they stay in reduced precision",
        "benchmark/models/features.py",
        "at_least_float32(features_of(encoder.eval(), observations, kind))",
        "features_of(encoder.eval(), observations, kind)",
        "models/test_features.py::test_features_in_reduced_precision_point_where_those_in_full_do",
    ),
    Fault(
        "features: attention follows autocast into bf16",
        "benchmark/models/precision.py",
        "(q.float(), k.float(), v.float(), *more",
        "(q, k, v, *more",
        "models/test_precision.py::test_attention_on_processors_stays_in_float32_amid_reduced_precision",
    ),
    Fault(
        "features: the probe of many features is fitted without its penalty",
        "benchmark/stages/probe.py",
        "system[np.diag_indices_from(system)] += penalty",
        "system[np.diag_indices_from(system)] += 1e-3 * penalty",
        "stages/test_probe.py::test_few_or_many_features_are_fitted_by_the_same_ridge_regression",
    ),
)
