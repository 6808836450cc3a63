from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.core.errors import BenchmarkError
from benchmark.data import normalize
from benchmark.data.normalize import Normalizer


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 1000), mode=st.sampled_from(normalize.MODES), scale=st.sampled_from([0.01, 1.0, 300.0]))
def test_round_trip(seed, mode, scale):
    data = scale * torch.randn(40, 5, generator=torch.Generator().manual_seed(seed)) + 3
    normalizer = Normalizer(5).fit(data, mode)
    torch.testing.assert_close(normalizer.inverse(normalizer(data)), data, rtol=1e-5, atol=1e-5 * scale)


def test_standard_and_minmax():
    data = torch.rand(1000, 3) * torch.tensor([1.0, 10.0, 0.1]) + torch.tensor([5.0, -100.0, 0.0])
    standard = Normalizer(3).fit(data)(data)
    torch.testing.assert_close(standard.mean(0), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(standard.std(0, correction=0), torch.ones(3), atol=1e-3, rtol=0)
    bounded = Normalizer(3).fit(data, "minmax")(data)
    torch.testing.assert_close(bounded.amin(0), -torch.ones(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(bounded.amax(0), torch.ones(3), atol=1e-4, rtol=0)


@pytest.mark.parametrize("mode", ["standard", "minmax"])
def test_constant_dimensions_are_only_centred(mode):
    data = torch.randn(100, 3)
    data[:, 1] = 7.0
    normalizer = Normalizer(3).fit(data, mode)
    assert normalizer(data)[:, 1].eq(0).all()
    surprise = normalizer(torch.tensor([[0.0, 7.01, 0.0]]))
    assert surprise[0, 1].abs() < 0.02  # a speck of noise stays one
    assert Normalizer(2).fit(torch.ones(4, 2), mode)(torch.ones(4, 2)).eq(0).all()


def test_actions_have_units_of_their_own():
    data = torch.rand(200, 4) * 2 - 1
    data = data * torch.tensor([200.0, 0.15, 0.0, 1e-4]) + torch.tensor([0.0, 0.0, 0.3, 0.0])  # mm, rad, nothing, noise
    normalizer = Normalizer(4).fit(data, "minmax")
    bounded = normalizer(data)
    torch.testing.assert_close(bounded[:, :2].amax(0), torch.ones(2), atol=1e-4, rtol=0)
    assert bounded[:, 2].eq(0).all()
    done = normalizer.inverse(torch.full((1, 4), 0.9))
    assert done[0, 2] == torch.tensor(0.3), "a constant is done whatever is predicted"
    assert done[0, 3].abs() < 1e-4
    loaded = Normalizer(4)
    loaded.load_state_dict(normalizer.state_dict())
    assert torch.equal(loaded.inverse(bounded), normalizer.inverse(bounded))


def test_statistics_do_not_lose_precision(monkeypatch):
    """A million values near 10,000 in half precision: float32 sums would be off by more than the deviation asked for."""
    monkeypatch.setattr(normalize, "ROWS", 1000)
    data = (np.random.default_rng(0).integers(0, 2, (200_000, 1)) * 8 + 10_000).astype(np.float16)
    normalizer = Normalizer(1).fit(data)
    exact = data.astype(np.float64)
    assert abs(float(normalizer.shift[0]) - exact.mean()) < 1e-3
    assert abs(float(normalizer.scale[0]) - exact.std()) < 1e-5


def test_the_state_dict_is_the_artifact():
    fitted = Normalizer(3).fit(torch.randn(10, 3) + 4)
    loaded = Normalizer(3)
    loaded.load_state_dict(fitted.state_dict())
    x = torch.randn(5, 3)
    assert torch.equal(loaded(x), fitted(x))


@pytest.mark.parametrize(
    ("data", "mode", "message"),
    [
        (torch.full((3, 2), torch.nan), "standard", "NaN"),
        (torch.full((3, 2), torch.inf), "minmax", "NaN"),
        (torch.ones(3, 2), "standart", "standart"),
        (torch.ones(3, 5), "standard", "shape"),
        (torch.ones(0, 2), "standard", "shape"),
    ],
)
def test_bad_data_is_refused(data, mode, message):
    with pytest.raises(BenchmarkError, match=message):
        Normalizer(2).fit(data, mode)
