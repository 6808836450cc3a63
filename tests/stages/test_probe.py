from __future__ import annotations

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


@pytest.mark.parametrize("how", ["one direction", "a constant"])
def test_a_collapse_is_seen(how: str) -> None:
    x = RNG.normal(size=(500, 1)) * np.ones((1, 16)) if how == "one direction" else 5 + 1e-4 * RNG.normal(size=(500, 16))
    assert health(x, singular_values(x))["collapsed"]
