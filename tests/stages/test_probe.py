from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from benchmark.models.collapse import spread
from benchmark.stages import probe as stage
from benchmark.stages.probe import health, linear_r2, nearest_error, singular_values, standardised

RNG = np.random.default_rng(0)
STATE = RNG.normal(size=(600, 3))
TRAIN, TEST = STATE[:500], STATE[500:]


def probe(x: np.ndarray, x_test: np.ndarray) -> tuple[np.ndarray, float]:
    x, x_test = standardised(x, x_test)
    return linear_r2(x, TRAIN, x_test, TEST), nearest_error(x, TRAIN, x_test, TEST)


def test_features_that_are_the_state_read_perfectly_whatever_their_units() -> None:
    r2, error = probe(TRAIN * [1, 100, 0.1], TEST * [1, 100, 0.1])
    assert r2 == pytest.approx(1, abs=1e-4)
    assert error < 0.1


def test_noise_in_a_dimension_that_does_not_vary_is_not_blown_up() -> None:
    noise = 1e-6 * RNG.normal(size=(600, 20))
    _, clean = probe(TRAIN, TEST)
    r2, error = probe(np.hstack([TRAIN, noise[:500]]), np.hstack([TEST, noise[500:]]))
    assert r2 == pytest.approx(1, abs=1e-4)
    assert error == pytest.approx(clean, rel=1e-3)


def test_features_are_scaled_by_training_rows_alone() -> None:
    scaled, scaled_test = standardised(TRAIN, 3 * TEST + 5)
    assert scaled.mean(0) == pytest.approx(0, abs=1e-12)
    assert scaled.std(0) == pytest.approx(1, abs=1e-12)
    assert scaled_test == pytest.approx((3 * TEST + 5 - TRAIN.mean(0)) / TRAIN.std(0))


def test_features_that_know_nothing_score_like_chance() -> None:
    noise = RNG.normal(size=(600, 5))
    r2, error = probe(noise[:500], noise[500:])
    assert np.all(np.abs(r2) < 0.15)
    assert error == pytest.approx(2, abs=0.4)


def test_the_score_is_held_out() -> None:
    """As many features as training frames fit the training frames exactly, and predict nothing."""
    noise = RNG.normal(size=(600, 450))
    assert linear_r2(noise[:500], TRAIN, noise[500:], TEST).max() < 0.1


def test_the_effective_rank_counts_equal_directions() -> None:
    basis = np.linalg.qr(RNG.normal(size=(8, 8)))[0]
    x = RNG.normal(size=(20000, 4)) @ basis[:4]
    result = health(x, singular_values(x))
    assert result["effective_rank"] == pytest.approx(4, rel=0.02)
    assert not result["collapsed"]


def test_the_effective_rank_is_of_singular_values() -> None:
    """Roy and Vetterli: the exponential of the entropy of their shares, here 4 : 2 : 1 : 1. Of variances it is less."""
    x = np.random.default_rng(1).normal(size=(300, 4))
    x -= x.mean(0)
    left = np.linalg.svd(x, full_matrices=False)[0]
    share = np.array([4, 2, 1, 1]) / 8
    found = health(left * share + 5, singular_values(left * share + 5))
    assert found["effective_rank"] == pytest.approx(np.prod(share**-share), rel=1e-6)


def test_signs_of_collapse_are_those_that_training_logs() -> None:
    """Directions' deviation times the root of the dimension, as `spread`; and the deviation of all beside the mean norm."""
    x = np.random.default_rng(1).normal(size=(400, 6)) * [1, 2, 3, 1, 1, 1] + 3
    found = health(x, singular_values(x))
    assert found["feature_std"] == pytest.approx(float(spread(torch.from_numpy(x))), rel=0.01)
    expected = np.sqrt(x.var(0, ddof=1).sum()) / np.linalg.norm(x, axis=1).mean()
    assert found["relative_spread"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("one direction", "effective rank 1 < 2"),
        ("a constant", r"spread of features relative to their norm [12]\S*e-05 < 0.01"),
        ("both", r"spread of features relative to their norm [12]\S*e-05 < 0.01"),
    ],
)
def test_a_collapse_is_seen_with_its_reason(how: str, reason: str) -> None:
    noise = RNG.normal(size=(500, 16 if how == "a constant" else 1)) * np.ones((1, 16))
    x = noise if how == "one direction" else 5 + 1e-4 * noise
    result = health(x, singular_values(x))
    assert result["collapsed"]
    assert re.fullmatch(reason, result["collapse_reason"])


def test_a_low_share_of_the_dimension_is_no_collapse() -> None:
    """A scene with few moving parts needs few directions."""
    x = RNG.normal(size=(2000, 3)) @ np.linalg.qr(RNG.normal(size=(64, 64)))[0][:3]
    result = health(x, singular_values(x))
    assert result["effective_rank"] == pytest.approx(3, rel=0.05)
    assert (result["collapsed"], result["collapse_reason"]) == (False, None)


@pytest.mark.parametrize("features", [20, 700])
def test_few_or_many_features_are_fitted_by_the_same_ridge_regression(features: int) -> None:
    """Against its definition, where there are more features than the 500 frames, too."""
    x = RNG.normal(size=(600, features)) @ RNG.normal(size=(features, features)) + STATE @ RNG.normal(size=(3, features))
    centred, test = x[:500] - x[:500].mean(0), x[500:] - x[:500].mean(0)
    gram = centred.T @ centred / 500
    ridge = stage.RIDGE * np.trace(gram) / features * np.eye(features)
    weights = np.linalg.solve(gram + ridge, centred.T @ (TRAIN - TRAIN.mean(0)) / 500)
    wrong = ((test @ weights + TRAIN.mean(0) - TEST) ** 2).mean(0)
    expected = 1 - wrong / ((TEST - TRAIN.mean(0)) ** 2).mean(0)
    assert linear_r2(x[:500], TRAIN, x[500:], TEST) == pytest.approx(np.maximum(expected, -1), abs=1e-6)


@pytest.mark.parametrize("features", [20, 80])
def test_the_spectrum_is_that_of_the_covariance(features: int) -> None:
    x = RNG.normal(size=(60, features)) @ RNG.normal(size=(features, features))
    expected = np.sqrt(np.maximum(np.linalg.eigvalsh(np.cov(x, rowvar=False))[::-1], 0))
    assert singular_values(x) == pytest.approx(expected, abs=1e-5)


def test_the_spectrum_of_wide_features_comes_from_evenly_spaced_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.cumsum(RNG.normal(size=(900, 8)), axis=0)
    monkeypatch.setattr(stage, "WIDE", 7)
    some = x[np.linspace(0, 899, 7).astype(int)]
    assert singular_values(x)[:6] == pytest.approx(np.sqrt(np.linalg.eigvalsh(np.cov(some, rowvar=False))[::-1][:6]), abs=1e-5)
    assert len(singular_values(x)) == 8
