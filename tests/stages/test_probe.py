from __future__ import annotations

import re

import numpy as np
import pytest

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
