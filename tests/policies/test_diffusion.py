"""Diffusion Policy: its process, its loss and its sampling, against formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from benchmark.contracts.data import Chunks
from benchmark.contracts.specs import PolicySpec
from benchmark.policies.diffusion import Diffusion, DiffusionConfig, Process


def test_the_schedule_is_the_squared_cosine():
    process = Process(100)
    cosine = [math.cos((t / 100 + 0.008) / 1.008 * math.pi / 2) ** 2 for t in range(101)]
    for t in (0, 10, 50, 98):
        assert math.isclose(process.signal[t], cosine[t + 1] / cosine[0], rel_tol=1e-4)
    assert (process.signal.diff() < 0).all()
    assert 0 < process.signal[-1] < 1e-4


def test_a_step_back_with_eta_one_is_the_ddpm_posterior():
    """Mean and deviation of q(x_{t-1} | x_t, x_0), Ho et al. 2020, equations 6 and 7."""
    process = Process(50)
    x, clean, noise = torch.randn(3, 20, 4, 2, generator=torch.Generator().manual_seed(0)).double()
    process.signal = process.signal.double()
    for t in (1, 7, 30, 48):
        now, then = process.signal[t], process.signal[t - 1]
        alpha, beta = now / then, 1 - now / then
        mean = (then.sqrt() * beta * clean + alpha.sqrt() * (1 - then) * x) / (1 - now)
        deviation = (beta * (1 - then) / (1 - now)).sqrt()
        step = torch.tensor(t)
        back = process.back(x, clean, step, step - 1, 1.0, noise)
        torch.testing.assert_close(back, mean + deviation * noise)


def test_perfect_knowledge_of_the_noise_recovers_the_actions():
    """DDIM with the true noise walks straight back to the clean chunk, whatever the number of steps."""
    process = Process(100)
    clean, noise = torch.randn(2, 8, 4, 2, generator=torch.Generator().manual_seed(0))
    x = process.add_noise(clean, noise, torch.full((8,), 90))
    for step, earlier in ((90, 40), (40, 5), (5, 0)):
        estimate = process.clean(x, noise, torch.tensor(step))
        torch.testing.assert_close(estimate, clean, atol=1e-3, rtol=0)
        x = process.back(x, estimate, torch.tensor(step), torch.tensor(earlier), 0.0, torch.zeros_like(x))
    torch.testing.assert_close(x, process.add_noise(clean, noise, torch.zeros(8, dtype=torch.long)), atol=1e-3, rtol=0)


def test_chunks_stay_in_the_range_of_the_demonstrations():
    config = DiffusionConfig(chunk=3, layers=1, heads=2, width=8, noise_steps=10, sample_steps=10)
    policy = Diffusion(config, PolicySpec(4, 2)).eval()
    actions = torch.rand(50, 3, 2) * torch.tensor([1.0, 5.0])
    policy.prepare(Chunks(torch.zeros(50, 1, 4), actions, torch.ones(50, 3, dtype=torch.bool)), torch.Generator())
    with torch.no_grad():
        sampled = policy.act(torch.randn(20, 1, 4), None, [torch.Generator().manual_seed(i) for i in range(20)])
    assert (sampled >= actions.amin((0, 1))).all()
    assert (sampled <= actions.amax((0, 1))).all()


def test_averaged_weights_follow_the_warm_up_of_the_release():
    policy = Diffusion(DiffusionConfig(layers=1, heads=2, width=8), PolicySpec(4, 2))
    name = "observe.weight"
    average, online = policy.average.target.get_parameter(name), policy.net.get_parameter(name)
    expected = average.clone()
    for step in range(5):
        with torch.no_grad():
            online.add_(1.0)
        policy.after_step(step, 5)
        decay = 1 - (1 + step) ** -0.75
        expected = decay * expected + (1 - decay) * online
    torch.testing.assert_close(average, expected.detach())


def build(**changes) -> Diffusion:
    torch.manual_seed(0)
    config = DiffusionConfig(chunk=3, layers=1, heads=2, width=8, noise_steps=12, **changes)
    return Diffusion(config, PolicySpec(4, 2)).double().eval()


def signals(steps: int) -> np.ndarray:
    """The squared cosine, of which no step takes more than 0.999."""
    cosine = np.cos((np.arange(steps + 1) / steps + 0.008) / 1.008 * np.pi / 2) ** 2
    return np.cumprod(np.maximum(cosine[1:] / cosine[:-1], 0.001))


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("sample_steps", [None, 1, 5])
def test_sampling_is_that_of_ddim(sample_steps, eta, monkeypatch):
    """Song et al. 2021, equations 12 and 16, for a network that names 0.6 x + 0.05 t as the noise; chunks are clipped."""
    policy = build(sample_steps=sample_steps, eta=eta)
    policy.low.fill_(-0.8)
    policy.high.fill_(0.9)
    monkeypatch.setattr(policy.average.target, "forward", lambda x, level, _: 0.6 * x + 0.05 * level[:, None, None])
    acted = policy.act(torch.zeros(20, 1, 4).double(), None, [torch.Generator().manual_seed(i) for i in range(20)]).numpy()

    signal, count = signals(12), sample_steps or 12
    times = np.round(np.linspace(11, 0, count)).astype(int)
    for row in range(20):
        draws = torch.randn((count, 3, 2), generator=torch.Generator().manual_seed(row)).double().numpy()
        x = draws[0]
        for number, time in enumerate(times):
            clean = (x - np.sqrt(1 - signal[time]) * (0.6 * x + 0.05 * time)) / np.sqrt(signal[time])
            clean = np.minimum(np.maximum(clean, -0.8), 0.9)
            if number + 1 < count:
                earlier = signal[times[number + 1]]
                sigma = eta * np.sqrt((1 - earlier) / (1 - signal[time])) * np.sqrt(1 - signal[time] / earlier)
                noise = (x - np.sqrt(signal[time]) * clean) / np.sqrt(1 - signal[time])
                x = np.sqrt(earlier) * clean + np.sqrt(1 - earlier - sigma**2) * noise + sigma * draws[number + 1]
        np.testing.assert_allclose(acted[row], clean, rtol=1e-4, atol=1e-5)


def test_the_loss_is_of_the_noise_in_what_the_network_was_given():
    policy, heard = build(), []
    policy.average.target.register_forward_hook(lambda _, given, answer: heard.append((*given[:2], answer)))
    valid = torch.arange(3)[None] < torch.tensor([3, 1, 2, 3, 2, 1])[:, None]
    features, actions = (torch.randn(shape, dtype=torch.float64) for shape in ((6, 1, 4), (6, 3, 2)))
    loss = policy.loss(Chunks(features, actions, valid), torch.Generator().manual_seed(0))[0].item()
    x, step, answer = (tensor.detach().numpy() for tensor in heard[0])
    signal = signals(12)[step][:, None, None]
    noise = (x - np.sqrt(signal) * actions.numpy()) / np.sqrt(1 - signal)
    assert loss == pytest.approx(((answer - noise) ** 2)[valid.numpy()].mean(), rel=1e-4)
    assert len(np.unique(step)) > 1
