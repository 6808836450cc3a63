"""How pairs of views are made: which frames, which cameras, which augmentation."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from benchmark import registry
from benchmark.conformance.methods import fake_demos
from benchmark.contracts.data import DataSpec, Windows
from benchmark.contracts.presets import component_config
from benchmark.core.errors import BenchmarkError
from benchmark.core.seeds import torch_rng
from benchmark.data.augment import Recipe
from benchmark.data.windows import WindowSampler
from benchmark.methods._shared.two_view import Bootstrap, MomentumConfig, TwoViewConfig, TwoViewMethod

DATA = DataSpec("fake", ("front", "side"), 32, action_dim=3, proprio_dim=2, state_dim=5, hz=10.0)
SMALL: dict[str, Any] = {"width": 8, "hidden": 8, "out": 8}


def test_without_an_offset_both_views_are_of_one_frame():
    config = TwoViewConfig(**SMALL, augment=False)
    assert TwoViewMethod.batch_spec(config).window == 1
    first, second = TwoViewMethod(config, DATA).views(_labelled(frames=1), torch_rng("v"))
    assert torch.equal(first, second)


@pytest.mark.parametrize("offset", [1, 3])
def test_with_an_offset_the_views_are_that_many_steps_apart_in_one_camera(tmp_path, offset):
    """Read off the demonstrations themselves, over a whole epoch: pairs never cross an episode."""
    demos = fake_demos(tmp_path)
    config = TwoViewConfig(**SMALL, augment=False, offset=offset)
    sampler = WindowSampler(demos, torch.arange(len(demos)).numpy(), TwoViewMethod.batch_spec(config), 8, seed=0)
    method = TwoViewMethod(config, demos.spec)
    for step in range(sampler.steps_per_epoch):
        batch = sampler.batch_at(step)
        first, second = method.views(batch, torch_rng("v"))
        for i, (episode, start) in enumerate(zip(batch.episode, batch.start, strict=True)):
            row = demos.starts[episode] + int(start)
            assert row + offset < demos.ends[episode]
            for view in range(2):
                for images, at in ((first, row), (second, row + offset)):
                    expected = torch.from_numpy(demos.frames[at, view].copy()).permute(2, 0, 1).float() / 255
                    assert torch.equal(images[2 * i + view], expected)


def test_augmentation_differs_between_views_and_between_pictures():
    method = TwoViewMethod(TwoViewConfig(**SMALL), DATA)
    batch = _labelled(frames=1)
    batch.frames[:] = torch.randint(0, 256, batch.frames.shape[1:], dtype=torch.uint8, generator=torch_rng("f"))
    first, second = method.views(batch, torch_rng("v"))
    assert not torch.equal(first, second)
    assert not torch.equal(first[0], first[2])  # the same camera of two windows that show the same
    again, _ = method.views(batch, torch_rng("v"))
    assert torch.equal(first, again)
    batch.frames[:] = batch.frames[:, :, :1]
    cameras, _ = method.views(batch, torch_rng("v"))
    assert not torch.equal(cameras[0], cameras[1])  # two cameras of one window, that show the same


def test_two_views_by_one_recipe_are_drawn_one_after_the_other():
    method = TwoViewMethod(TwoViewConfig(**SMALL), DATA)
    method.recipes = lambda: (Recipe(crop=0.2), Recipe(crop=0.2))
    batch = _labelled(frames=1)
    batch.frames[:] = torch.randint(0, 256, batch.frames.shape, dtype=torch.uint8, generator=torch_rng("f"))
    first, second = method.views(batch, torch_rng("v"))
    assert all(not torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_the_target_moves_towards_the_online_network():
    method = Bootstrap(MomentumConfig(**SMALL, ema=0.9, ema_schedule="constant"), DATA)
    before = method.target.target[0].trunk.conv1.weight.clone()
    with torch.no_grad():
        method.encoder.trunk.conv1.weight += 1
    method.after_step(5, 10)
    torch.testing.assert_close(method.target.target[0].trunk.conv1.weight, before + 0.1)


def test_the_momentum_rises_along_a_cosine():
    method = Bootstrap(MomentumConfig(**SMALL, ema=0.9), DATA)
    before = method.target.target[0].trunk.conv1.weight.clone()
    with torch.no_grad():
        method.encoder.trunk.conv1.weight += 1
    method.after_step(5, 10)  # half-way: half of 0.1
    torch.testing.assert_close(method.target.target[0].trunk.conv1.weight, before + 0.05)


ROWS = [name for name in registry.methods().names() if issubclass(registry.methods().get(name), TwoViewMethod)]


@pytest.mark.parametrize("name", ROWS)
def test_a_step_of_the_paper_preset_sees_as_many_images_whatever_the_cameras(name):
    """Tables 12 and 9 count images; at the same learning rate, twice as many would be another recipe."""
    cls, envs = registry.methods().get(name), registry.envs()
    images = {}
    for env in ("kitchen", "pusht", "block_push", "libero_goal"):
        cameras = len(envs.get(env).spec(component_config(envs.get(env), "paper", env)).views)
        images[env] = component_config(cls, "paper", env).batch_size * cameras
    assert set(images.values()) == {{"moco_v3": 1024, "lejepa": 256, "lejepa_t": 256}.get(name, 512)}, images


@pytest.mark.parametrize("name", ROWS)
def test_residual_gains_start_at_zero_where_the_official_code_has_that(name):
    """facebookresearch/moco-v3, simsiam and vicreg pass zero_init_residual=True; byol-pytorch, dino and lejepa do not."""
    cls = registry.methods().get(name)
    encoder = cls.build_encoder(cls.Config(width=8), DATA)
    expected = name.split("_")[0] in ("moco", "simsiam", "vicreg")
    assert bool(encoder.trunk.layer3[1].bn2.weight.any()) != expected


# Crops, jitter, chance of it, of grey, blur and solarisation, of the earlier and the later view; of the papers' tables and code
COLOURS = (0.4, 0.4, 0.2, 0.1)
PUBLISHED = {
    "byol": ((0.08, COLOURS, 0.8, 0.2, 1.0, 0.0), (0.08, COLOURS, 0.8, 0.2, 0.1, 0.2)),
    "byol_t": ((0.08, COLOURS, 0.8, 0.2, 1.0, 0.0), (0.08, COLOURS, 0.8, 0.2, 0.1, 0.2)),
    "dino": ((0.14, COLOURS, 0.8, 0.2, 1.0, 0.0), (0.14, COLOURS, 0.8, 0.2, 0.1, 0.2)),
    "lejepa": 2 * ((0.08, (0.8, 0.8, 0.8, 0.2), 0.8, 0.2, 0.5, 0.2),),
    "lejepa_t": 2 * ((0.08, (0.8, 0.8, 0.8, 0.2), 0.8, 0.2, 0.5, 0.2),),
    "moco_v3": ((0.2, COLOURS, 0.8, 0.2, 1.0, 0.0), (0.2, COLOURS, 0.8, 0.2, 0.1, 0.2)),
    "simsiam": 2 * ((0.2, (0.4, 0.4, 0.4, 0.1), 0.8, 0.2, 0.5, 0.0),),
    "simsiam_t": 2 * ((0.2, (0.4, 0.4, 0.4, 0.1), 0.8, 0.2, 0.5, 0.0),),
    "vicreg": ((0.08, COLOURS, 0.8, 0.2, 1.0, 0.0), (0.08, COLOURS, 0.8, 0.2, 0.1, 0.2)),
    "vicreg_t": ((0.08, COLOURS, 0.8, 0.2, 1.0, 0.0), (0.08, COLOURS, 0.8, 0.2, 0.1, 0.2)),
}


@pytest.mark.parametrize("preset", ["quick", "paper"])
@pytest.mark.parametrize("name", ROWS)
def test_every_row_has_its_published_augmentations(name, preset):
    cls = registry.methods().get(name)
    method = cls.__new__(cls)
    torch.nn.Module.__init__(method)
    method.config = component_config(cls, preset, "pusht")
    recipes = method.recipes()
    assert tuple((r.crop, r.jitter, r.jitter_p, r.grayscale, r.blur, r.solarise) for r in recipes) == PUBLISHED[name]


@pytest.mark.parametrize("preset", ["quick", "standard"])
def test_small_presets_give_every_row_the_same_batch(preset):
    configs = {
        component_config(registry.methods().get(name), preset, env).batch_size
        for name in ROWS
        for env in ("pusht", "block_push")
    }
    assert configs == {64}


@pytest.mark.parametrize("wrong", [{"offset": -1}, {"crop": 0.0}, {"ema": 1.5}, {"ema_schedule": "linear"}])
def test_impossible_configurations_are_refused(wrong):
    with pytest.raises(BenchmarkError):
        replace(MomentumConfig(), **wrong)


def _labelled(frames: int) -> Windows:
    images = torch.arange(3 * frames * 2, dtype=torch.uint8).view(3, frames, 2, 1, 1, 1).expand(-1, -1, -1, 3, 32, 32)
    zeros = torch.zeros(3, frames, 3)
    return Windows(images.contiguous(), zeros, zeros[..., :2], torch.arange(3), torch.zeros(3, dtype=torch.int64))
