"""Images drawn from arrays."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from benchmark.report.demo import Demo
from benchmark.report.images import Images, heat_map, images
from benchmark.stages.visualize import Visualization


def test_heat_is_as_bright_as_it_is_hot():
    frames, heat = np.full((1, 20, 20, 3), 100, np.uint8), np.zeros((1, 20, 20))
    heat[0, 10:15, 10:15] = 1
    shown = heat_map(frames, heat).sum(-1)[0].astype(int)
    assert shown[12, 12] == shown.max() > shown[2, 2] + 200


def test_heat_is_smoothed_over_what_lies_inside():
    """Windows of 5 x 5, at the border as many pixels as there are: what torch's pooling averages."""
    heat = np.random.default_rng(0).random((2, 12, 12))
    pooled = F.avg_pool2d(torch.from_numpy(heat)[:, None], 5, 1, 2, count_include_pad=False)[:, 0].numpy()
    frames = np.zeros((2, 12, 12, 3), np.uint8)
    brightness = heat_map(frames, heat).astype(int).sum(-1)
    for image, smooth in zip(brightness, pooled, strict=True):
        order = np.argsort(smooth.ravel())
        assert (np.diff(image.ravel()[order]) >= -3).all(), "as bright as the pooled heat, up to rounding of three colours"


def test_a_sheet_has_the_rows_that_have_an_answer():
    frames = np.zeros((2, 8, 8, 3), np.uint8)
    sees = Visualization(frames, frames, np.ones((2, 8, 8)), np.full((2, 4, 4, 3), 0.5))
    blind, flat = Visualization(frames, frames), Visualization(frames, frames, np.ones((2, 8, 8)))
    sheets = {sheet.name: sheet for sheet in images({"toy": {"byol": sees, "state": blind, "rpt": flat}})}
    assert {name: list(sheet.answers) for name, sheet in sheets.items()} == {
        "neighbours": ["byol", "state", "rpt"],
        "saliency": ["byol", "rpt"],
        "maps": ["byol"],
    }
    assert (sheets["maps"].answers["byol"] == 127).all()
    assert [sheet.name for sheet in images({"toy": {"state": blind}})] == ["neighbours"]


def test_what_lies_along_a_demonstration_has_sheets_of_its_own():
    frames, heat = np.full((2, 8, 8, 3), 90, np.uint8), np.zeros((3, 2, 2, 2))
    heat[1, 0, 0, 0] = 1
    recorded = np.arange(10.0).reshape(5, 2)
    fused = Visualization(frames, strip=frames, adapters=heat, recorded=recorded, predicted=recorded + 1)
    plain = Visualization(frames, frames, strip=frames, recorded=recorded, predicted=recorded + 2)
    neighbours, adapters, actions = images({"toy": {"random": plain, "spawnnet": fused}})
    assert isinstance(neighbours, Images)
    assert isinstance(adapters, Images)
    assert isinstance(actions, Demo)
    assert list(neighbours.answers) == ["random"], "features of frames are not kept of an encoder that went on learning"
    assert list(adapters.answers) == ["spawnnet, 1", "spawnnet, 2", "spawnnet, 3"]
    hot = adapters.answers["spawnnet, 2"][0].astype(int).sum(-1)
    assert hot[:4, :4].mean() > hot[4:, 4:].mean() + 100, "in the quarter that the map says"
    assert actions.dims == ("action 1", "action 2")
    lines = {"recorded": actions.recorded[:, 1], **{row: predicted[:, 1] for row, predicted in actions.predicted.items()}}
    np.testing.assert_array_equal(lines["recorded"], recorded[:, 1])
    np.testing.assert_array_equal(lines["random"], recorded[:, 1] + 2)
    np.testing.assert_array_equal(lines["spawnnet"], recorded[:, 1] + 1)
