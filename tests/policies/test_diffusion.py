from __future__ import annotations

import math

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
