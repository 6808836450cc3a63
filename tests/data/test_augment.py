"""Recipes: what is random, what is shared, and the published distributions."""

import math
from dataclasses import fields
from itertools import permutations

import pytest
import torch

from benchmark.data.augment import NOTHING, Recipe, byol, crop_boxes, kernel_size, simsiam

ALL = Recipe(0.2, 0.5, (0.4, 0.4, 0.2, 0.1), 0.8, grayscale=0.2, blur=0.5, solarise=0.2)
PARTS = {
    "crop": Recipe(crop=0.2),
    "flip": Recipe(flip=0.5),
    "jitter": Recipe(jitter=(0.4, 0.4, 0.2, 0.1)),
    "grayscale": Recipe(grayscale=0.5),
    "blur": Recipe(blur=0.5),
    "solarise": Recipe(solarise=0.5),
}


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def frames():
    return torch.randint(0, 256, (6, 3, 2, 3, 32, 32), dtype=torch.uint8, generator=rng(7))


@pytest.mark.parametrize("recipe", [ALL, NOTHING, *PARTS.values()], ids=["all", "nothing", *PARTS])
def test_shape_range_and_determinism(recipe, frames):
    before = frames.clone()
    out = recipe(frames, rng())
    assert out.shape == frames.shape
    assert out.dtype == torch.float32
    assert out.min() >= 0
    assert out.max() <= 1 + 1e-6
    assert torch.equal(out, recipe(frames, rng()))
    assert torch.equal(out, recipe(frames.float() / 255, rng()))
    assert torch.equal(frames, before)


@pytest.mark.parametrize("name", PARTS)
def test_every_part_changes_some_samples_and_depends_on_the_seed(name, frames):
    out = PARTS[name](frames, rng())
    assert not torch.allclose(out, frames / 255, atol=1e-3)
    assert not torch.equal(out, PARTS[name](frames, rng(1)))


def test_floats_are_left_as_they_were(frames):
    x = frames.float() / 255
    before = x.clone()
    PARTS["jitter"](x, rng())
    assert torch.equal(x, before)


def test_nothing_is_the_identity(frames):
    assert torch.equal(NOTHING(frames, rng()), frames.float() / 255)


@pytest.mark.parametrize("name", PARTS)
def test_frames_and_views_of_a_sample_share_parameters(name, frames):
    same = frames[:, :1, :1].expand_as(frames)
    out = PARTS[name](same, rng())
    torch.testing.assert_close(out, out[:, :1, :1].expand_as(out))


def test_samples_have_parameters_of_their_own(frames):
    same = frames[:1].expand_as(frames)
    out = ALL(same, rng())
    assert all(not torch.equal(out[0], other) for other in out[1:])


def test_a_sample_does_not_depend_on_the_others(frames):
    changed = frames.clone()
    changed[1:] = 255 - changed[1:]
    assert torch.equal(ALL(frames, rng())[0], ALL(changed, rng())[0])


def test_results_do_not_depend_on_how_much_fits_into_the_cache(frames, monkeypatch):
    whole = ALL(frames, rng())
    monkeypatch.setattr("benchmark.data.augment.CACHED", 1)
    torch.testing.assert_close(ALL(frames, rng()), whole)


def test_the_global_generator_is_not_touched(frames):
    state = torch.get_rng_state()
    ALL(frames, rng())
    assert torch.equal(state, torch.get_rng_state())


def test_nothing_is_mirrored_unless_asked():
    assert all(recipe.flip == 0 for recipe in (*byol(), simsiam()))
    assert all(recipe.flip == 0.5 for recipe in (*byol(flip=True), simsiam(flip=True)))


def test_crops_follow_the_published_distribution():
    """Area uniform in the range, aspect between 3/4 and 4/3, box inside the frame, any position."""
    g, n, size = rng(), 4000, 96
    ratio = math.log(3 / 4) + math.log(16 / 9) * torch.rand(n, 10, generator=g)
    area = 0.08 + 0.92 * torch.rand(n, 10, generator=g)
    box = crop_boxes(area, ratio, torch.rand(n, generator=g), torch.rand(n, generator=g), size, size)
    top, left, height, width = box.values()
    assert (top >= 0).all()
    assert (top + height <= size).all()
    assert (left >= 0).all()
    assert (left + width <= size).all()
    share = height * width / size**2
    assert share.min() == pytest.approx(0.08, abs=0.01)
    assert 0.45 < share.mean() < 0.54  # large areas with long sides are drawn again
    assert (width / height).min() == pytest.approx(3 / 4, abs=0.05)
    assert (width / height).max() == pytest.approx(4 / 3, abs=0.05)
    assert (top / (size - height).clamp(min=1)).mean() == pytest.approx(0.5, abs=0.03)


def test_parameters_come_from_their_published_ranges_each_drawn_by_itself():
    """One coin for all of the jitter, whose factors are uniform; sigmas of 0.1 to 2 pixels at 224; no draw tells of another."""
    n, size = 20_000, 96
    drawn = Recipe(0.08, 0.5, (0.4, 0.3, 0.2, 0.1), 0.8, grayscale=0.2, blur=0.1, solarise=0.3)._draw(n, size, size, rng())
    jittered = drawn["hue"] != 0
    for name, chance in {"flip": 0.5, "grayscale": 0.2, "blur": 0.1, "solarise": 0.3}.items():
        assert drawn[name].float().mean() == pytest.approx(chance, abs=0.015), name
    assert jittered.float().mean() == pytest.approx(0.8, abs=0.015)
    ranges = {"brightness": (0.6, 1.4), "contrast": (0.7, 1.3), "saturation": (0.8, 1.2), "hue": (-0.1, 0.1)}
    for name, (low, high) in ranges.items():
        assert (drawn[name][~jittered] == (0 if name == "hue" else 1)).all(), name
        _is_uniform(drawn[name][jittered], low, high)
    _is_uniform(drawn["sigma"] * 224 / size, 0.1, 2.0)
    names = ("flip", "grayscale", "blur", "solarise", *ranges, "sigma")
    parts = [drawn[name][jittered].float() for name in names]
    parts += [(drawn[at] / (size - drawn[side]).clamp(min=1))[jittered] for at, side in (("top", "height"), ("left", "width"))]
    related = torch.corrcoef(torch.stack([*parts, (drawn["width"] / drawn["height"])[jittered]]))
    assert (related - torch.eye(len(related))).abs().max() < 0.05


def _is_uniform(values: torch.Tensor, low: float, high: float) -> None:
    at = (values - low) / (high - low)
    assert at.min() == pytest.approx(0, abs=0.003)
    assert at.max() == pytest.approx(1, abs=0.003)
    assert at.mean() == pytest.approx(0.5, abs=0.01)
    assert at.std() == pytest.approx(12**-0.5, abs=0.005)


def test_impossible_crops_fall_back_to_the_frame():
    never = torch.full((1, 10), 1.0)
    box = crop_boxes(never, torch.full((1, 10), math.log(4 / 3)), torch.rand(1), torch.rand(1), 20, 20)
    assert [v.item() for v in box.values()] == [0, 0, 20, 20]


def test_byols_two_views_differ_in_blur_and_solarisation():
    """BYOL, appendix B, table 6."""
    first, second = byol()
    assert (first.blur, second.blur, first.solarise, second.solarise) == (1.0, 0.1, 0.0, 0.2)
    same = [f.name for f in fields(Recipe) if f.name not in ("blur", "solarise")]
    assert all(getattr(first, name) == getattr(second, name) for name in same)
    assert (first.crop, first.jitter, first.jitter_p, first.grayscale) == (0.08, (0.4, 0.4, 0.2, 0.1), 0.8, 0.2)


def test_blur_kernel_is_that_of_the_literature_at_its_resolution():
    assert kernel_size(224) == 23
    assert kernel_size(96) == 9


@pytest.mark.parametrize("recipe", [ALL, *byol(), Recipe(0.2), Recipe(jitter=(0.0, 0.0, 0.0, 0.3), jitter_p=1.0)])
def test_the_path_that_no_device_waits_for_computes_the_same(recipe: Recipe) -> None:
    """In every order of the colour operations, with samples that are chosen for each and samples that are not."""
    frames = torch.randint(256, (32, 2, 3, 20, 20), generator=rng()).to(torch.uint8)
    drawn = recipe._draw(len(frames), 20, 20, rng(1))
    for order in permutations(range(4)):
        keys = torch.empty(4)
        keys[list(order)] = torch.arange(4.0)
        torch.testing.assert_close(
            recipe._apply_masked(frames, drawn, keys), recipe._apply(frames, drawn, list(order)), atol=2e-5, rtol=0
        )
