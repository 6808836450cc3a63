"""Images of MuJoCo scenes without a display, several times faster than `mujoco.Renderer` as environments use it.

What costs time in software rendering is shadows (a 4096-pixel map per light), reflections, multisampling and, once these are
off, finely tessellated surfaces. A `Renderer` switches the first three off and gives what is round as many facets as its pixels
show; `simplified` takes care of meshes. All simulators of a process share one GL context and, if they look alike, one set of
buffers: textures and meshes of a scene take about 100 MB and a second to upload. Nothing here touches GL until a renderer is
asked for, so workers create their own.
"""

from __future__ import annotations

import atexit
import copy
import ctypes
import ctypes.util
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.core.errors import Unavailable
from benchmark.simulation import workers

FACET = 8  # pixels of an image's width per facet of what is round: MuJoCo's own 28 (by 16) at 224 pixels, 12 (by 6) at 96
INSTALL = {"egl": "apt-get install libegl1 libgl1-mesa-dri", "osmesa": "apt-get install libosmesa6"}


# ------------------------------------------------------------------------------------------------------------ GL backend


def gl_backend() -> str:
    """How MuJoCo gets a GL context here: as MUJOCO_GL says, else through EGL or OSMesa, whichever works."""
    wanted = os.environ.get("MUJOCO_GL", "").strip().lower()
    if sys.platform != "linux":
        return "cgl" if sys.platform == "darwin" else "glfw"
    if wanted == "glfw":
        return wanted
    if wanted and wanted not in INSTALL:
        raise Unavailable(f"MUJOCO_GL={wanted} leaves no way to render: unset it, or set it to egl, osmesa or glfw")
    candidates = [wanted] if wanted else list(INSTALL)
    for name in candidates:
        if _works(name):
            return name
    asked = (
        f"MUJOCO_GL={wanted} asks for {wanted.upper()}, which does not work here"
        if wanted
        else "no way to render: neither EGL nor OSMesa works"
    )
    raise Unavailable(f"{asked}. Fix it with: {' or: '.join(INSTALL[name] for name in candidates)}")


def choose_backend() -> None:
    """Set MUJOCO_GL, where there is a way to draw, for simulators that draw themselves: MuJoCo reads it when it is imported."""
    if gl_missing() is None:
        os.environ["MUJOCO_GL"] = gl_backend()


def gl_missing() -> str | None:
    """What `gl_backend` would complain about, or None."""
    try:
        gl_backend()
    except Unavailable as error:
        return str(error)
    return None


@cache
def _works(name: str) -> bool:
    _load_triton()
    return _egl_works() if name == "egl" else ctypes.util.find_library("OSMesa") is not None


def _load_triton() -> None:
    """Before any GL. Triton, which PyTorch's CUDA builds load with the first optimiser, has an LLVM of its own: loaded after
    that of Mesa's software drawing it ends the process (SIGSEGV; Triton 3.9, Mesa 22.3), and before it both work. Simulators
    that have a process to themselves need none, and its 69 MB would count in each of them."""
    spec = None if workers.serves else importlib.util.find_spec("triton")
    if spec is not None and spec.origin is not None:
        with suppress(OSError):  # it is not there, or not for this machine
            ctypes.CDLL(str(Path(spec.origin).with_name("_C") / "libtriton.so"))


def _egl_works() -> bool:
    """Whether some EGL device can be initialised. Asked of the library itself: importing PyOpenGL for EGL would rule out OSMesa
    for the rest of the process."""
    path = ctypes.util.find_library("EGL")
    if path is None:
        return False
    egl = ctypes.CDLL(path)
    egl.eglGetProcAddress.restype = ctypes.c_void_p
    pointers = [egl.eglGetProcAddress(name) for name in (b"eglQueryDevicesEXT", b"eglGetPlatformDisplayEXT")]
    if not all(pointers):
        return False
    query_devices = ctypes.CFUNCTYPE(ctypes.c_uint, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(pointers[0])
    get_display = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p)(pointers[1])
    devices, count = (ctypes.c_void_p * 32)(), ctypes.c_int()
    if not query_devices(32, devices, ctypes.byref(count)):
        return False
    egl_platform_device = 0x313F
    egl.eglInitialize.argtypes = [ctypes.c_void_p] * 3
    displays = [get_display(egl_platform_device, device, None) for device in devices[: count.value]]
    return any(display and egl.eglInitialize(display, None, None) for display in displays)


# --------------------------------------------------------------------------------------------------------------- meshes


def simplified(model: Any, cell: float, texels: int, least: int = 500) -> Any:
    """A copy of a model for images only: in meshes of at least `least` faces all vertices within a cube of side `cell` move
    to their mean and the faces that collapse are dropped; textures are averaged down to a width of `texels`."""
    model = copy.copy(model)
    for mesh in np.flatnonzero(model.mesh_facenum >= least):
        _cluster(model, mesh, cell)
    for texture in np.flatnonzero(model.tex_width >= 2 * texels):
        _shrink(model, texture, model.tex_width[texture] // texels)
    return model


def _cluster(model: Any, mesh: np.intp, cell: float) -> None:
    vertices = model.mesh_vert[model.mesh_vertadr[mesh] :][: model.mesh_vertnum[mesh]]
    _, cluster = np.unique(np.floor(vertices / cell), axis=0, return_inverse=True)
    cluster = cluster.ravel()
    sums = np.stack([np.bincount(cluster, column) for column in vertices.T], 1)
    vertices[:] = (sums / np.bincount(cluster)[:, None])[cluster]

    start, count = model.mesh_faceadr[mesh], model.mesh_facenum[mesh]
    corners = np.sort(cluster[model.mesh_face[start : start + count]], axis=1)
    _, distinct = np.unique(corners, axis=0, return_index=True)
    kept = distinct[(np.diff(corners[distinct], axis=1) > 0).all(axis=1)]
    for per_face in (model.mesh_face, model.mesh_facenormal, model.mesh_facetexcoord):
        per_face[start : start + len(kept)] = per_face[start + kept]
    model.mesh_facenum[mesh] = len(kept)


def _shrink(model: Any, texture: np.intp, factor: int) -> None:
    start = model.tex_adr[texture]
    height, width, channels = (int(field[texture]) for field in (model.tex_height, model.tex_width, model.tex_nchannel))
    image = model.tex_data[start : start + height * width * channels].reshape(height, width, channels)
    height, width = height // factor, width // factor
    blocks = image[: height * factor, : width * factor].reshape(height, factor, width, factor, channels)
    model.tex_data[start : start + height * width * channels] = blocks.mean((1, 3)).round().ravel()
    model.tex_height[texture], model.tex_width[texture] = height, width


# ------------------------------------------------------------------------------------------------------------- images

_renderers: dict[Hashable, Renderer] = {}
_gl: Any = None  # the GL context of this process; lives while there are renderers


class Renderer:
    """Square images of a model in a given joint configuration. Get one from `shared_renderer`, give it back with `close`."""

    def __init__(self, key: Hashable, model: Any, resolution: int, layered: bool):
        import mujoco

        from benchmark.simulation.layers import Layers

        self._mujoco, self._key, self.users = mujoco, key, 0
        self._model, self._data = model, mujoco.MjData(model)
        model.vis.quality.offsamples = model.vis.quality.shadowsize = 0
        quality, slices = model.vis.quality, max(8, resolution // FACET)
        quality.numslices, quality.numstacks = min(quality.numslices, slices), min(quality.numstacks, slices * 4 // 7)
        model.vis.global_.offwidth = model.vis.global_.offheight = resolution
        self._options = mujoco.MjvOption()
        self._scene = mujoco.MjvScene(model, maxgeom=model.ngeom + 100)
        for costly in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION):
            self._scene.flags[costly] = 0
        self._area = mujoco.MjrRect(0, 0, resolution, resolution)
        _make_current()
        self._buffers = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_50)
        self._buffers.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZEROFAR  # as they are kept
        self._layers = Layers(model, self._scene, self._shoot) if layered else None

    def render(self, qpos: np.ndarray, cameras: Sequence[Any], farthest: float | None = None) -> np.ndarray:
        """(views, H, W, 3) uint8 with bodies where `qpos` puts them, seen by each `mujoco.MjvCamera`.

        `farthest`: after each view comes its depth, 0 to so many metres along the camera's axis as 0 to 255 in each channel.
        """
        self._data.qpos[:] = qpos
        self._mujoco.mj_kinematics(self._model, self._data)
        self._mujoco.mj_camlight(self._model, self._data)
        return self.draw(self._data, cameras, farthest)

    def draw(self, data: Any, cameras: Sequence[Any], farthest: float | None = None) -> np.ndarray:
        """The same of a simulation of this very model that goes on."""
        _make_current()
        self._mujoco.mjr_setBuffer(self._mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._buffers)  # another one may be bound
        images, everything = [], self._mujoco.mjtCatBit.mjCAT_ALL
        for view, camera in enumerate(cameras):
            colours, depths = self._layers.draw(view, data, camera) if self._layers else self._shoot(data, camera, everything)
            images.append(colours)
            if farthest is not None:
                grey = (255 * np.minimum(self._metres(1 - depths) / farthest, 1)).round().astype(np.uint8)
                images.append(np.repeat(grey[..., None], 3, axis=-1))
        return np.stack(images)[:, ::-1].copy()  # GL counts rows from below

    def _shoot(self, data: Any, camera: Any, categories: Any, segments: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """(H, W, 3) colours and (H, W) depths as GL keeps them, 1 at the near plane and 0 at the far one, of what rests, what
        moves or both. Instead of colours `segments` are the numbers of what is drawn."""
        mujoco, scene = self._mujoco, self._scene
        colours = np.empty((self._area.height, self._area.width, 3), np.uint8)
        depths = np.empty(colours.shape[:2], np.float32)
        mujoco.mjv_updateScene(self._model, data, self._options, None, camera, categories, scene)
        scene.flags[mujoco.mjtRndFlag.mjRND_SEGMENT] = scene.flags[mujoco.mjtRndFlag.mjRND_IDCOLOR] = segments
        mujoco.mjr_render(self._area, scene, self._buffers)
        mujoco.mjr_readPixels(colours, depths, self._area, self._buffers)
        return colours, depths

    def _metres(self, depth: np.ndarray) -> np.ndarray:
        """Of depths that are 0 at the near plane and 1 at the far one, which are linear in 1 / distance."""
        near, far = (self._model.stat.extent * plane for plane in (self._model.vis.map.znear, self._model.vis.map.zfar))
        return near / (1 - depth.astype(np.float64) * (1 - near / far))

    def describe(self) -> dict[str, str]:
        """Who draws, in the words of the GL library, e.g. `llvmpipe (LLVM 15.0.6, 256 bits)`."""
        from OpenGL import GL

        _make_current()
        return {"gl": os.environ["MUJOCO_GL"], "gl renderer": GL.glGetString(GL.GL_RENDERER).decode()}

    def close(self) -> None:
        """Its last user frees the buffers, and the last renderer the GL context."""
        global _gl
        self.users -= 1
        if self.users > 0:
            return
        _make_current()
        self._buffers.free()
        del _renderers[self._key]
        if not _renderers:
            _gl.free()
            _gl = None


def shared_renderer(key: Hashable, build: Callable[[], Any], resolution: int, layered: bool = False) -> Renderer:
    """The renderer of this process for scenes named `key`; the first caller builds the model that it draws.

    `layered`: what does not move is drawn once (layers.py), for scenes in which that is much and no look ever changes.
    """
    key = (key, resolution)
    if key not in _renderers:
        _renderers[key] = Renderer(key, build(), resolution, layered)
    _renderers[key].users += 1
    return _renderers[key]


def _make_current() -> None:
    """Several libraries may hold GL contexts in this process: claim ours before every use."""
    global _gl
    if _gl is None:
        backend = gl_backend()
        os.environ["MUJOCO_GL"] = backend  # MuJoCo's function loader and worker processes look here
        _gl = importlib.import_module(f"mujoco.{backend}").GLContext(64, 64)
        atexit.register(_close_all)  # before the hook of mujoco.egl, which shuts EGL down
    _gl.make_current()


def _close_all() -> None:
    for renderer in list(_renderers.values()):
        renderer.users = 1
        renderer.close()
