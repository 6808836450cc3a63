"""Depth as it is drawn: metres along the camera's axis, clipped, in every channel."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import mujoco
import numpy as np
import pytest

from benchmark.simulation import drawing, workers
from benchmark.simulation.drawing import Renderer, gl_missing, shared_renderer

pytestmark = pytest.mark.skipif(gl_missing() is not None, reason=str(gl_missing()))

Draw = Callable[..., np.ndarray]


def wall(away: float) -> str:
    """A red one across the x axis, so many metres from a camera at the origin, that fills what it sees; and a step nearer
    in its upper half."""
    return f"""
<mujoco>
  <visual><map znear="0.005" zfar="50"/></visual>
  <worldbody>
    <geom type="box" pos="{away + 0.5} 0 0" size="0.5 9 9" rgba="1 0 0 1"/>
    <geom type="box" pos="{away + 0.5} 0 9" size="0.75 9 9" rgba="1 0 0 1"/>
  </worldbody>
</mujoco>"""


@pytest.fixture
def draw() -> Iterator[Draw]:
    used: list[Renderer] = []

    def picture(away: float, *farthest: float) -> np.ndarray:
        renderer = shared_renderer(("wall", away, *farthest), lambda: mujoco.MjModel.from_xml_string(wall(away)), 32)
        used.append(renderer)
        camera = mujoco.MjvCamera()
        camera.lookat[:], camera.distance, camera.azimuth, camera.elevation = (0.1, 0, 0), 0.1, 0, 0
        return renderer.render(np.zeros(0), [camera, camera], *farthest)

    yield picture
    for renderer in used:
        renderer.close()


@pytest.mark.parametrize("away", [0.5, 1.2, 1.9])
def test_a_plane_across_the_axis_is_equally_deep_everywhere(draw: Draw, away: float) -> None:
    frames = draw(away, 2.0)
    assert frames.shape == (4, 32, 32, 3)
    for depth in frames[1::2]:
        assert np.abs(depth[20:].astype(int) - 255 * away / 2).max() <= 1
        assert np.abs(depth[:12].astype(int) - 255 * (away - 0.25) / 2).max() <= 1, "what stands above is drawn above"
        assert np.array_equal(depth[..., 0], depth[..., 2])


def test_what_is_farther_is_clipped(draw: Draw) -> None:
    assert (draw(2.5, 2.0)[1] == 255).all()
    assert np.abs(draw(2.5, 5.0)[1][20:].astype(int) - 255 * 2.5 / 5).max() <= 1


def test_colours_are_the_same_beside_depth(draw: Draw) -> None:
    plain = draw(1.2)
    assert plain.shape == (2, 32, 32, 3)
    assert np.array_equal(draw(1.2, 2.0)[::2], plain)


@pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="this PyTorch has no Triton, which comes with CUDA builds"
)
def test_a_process_that_draws_may_train() -> None:
    """Triton comes with the first optimiser. Its LLVM, loaded after that of Mesa, ended the process."""
    script = "from benchmark.simulation.drawing import gl_backend; gl_backend(); import triton; print('alive')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr


def test_a_process_of_simulators_does_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """It never trains, and 69 MB of each would count."""
    monkeypatch.setattr(workers, "serves", True)
    monkeypatch.setattr(drawing.ctypes, "CDLL", refuse_triton)
    drawing._load_triton()


def refuse_triton(path: str) -> None:
    raise AssertionError(f"{path} was loaded")
