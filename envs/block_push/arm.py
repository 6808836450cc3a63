"""The arm of pybullet_data with fewer triangles to look at. How it collides and moves is untouched.

Its meshes have 51,000 triangles, which are what drawing it by software costs. Vertices in the same cube of a grid become one:
7,500 are left, and the arm in two views of 96 pixels takes 5 ms instead of 26. 0.3 % of pixels change by more than 30 of 255.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pybullet_data

GRID = 0.012  # m: a pixel is 11 mm wide at the distance of the arm, in images of 96 pixels
HEADER = 80  # bytes of a binary STL before the number of its triangles
TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])


def write_arm(folder: Path) -> Path:
    """Writes the arm's URDF and its coarse meshes; returns the URDF's path."""
    source = Path(pybullet_data.getDataPath()) / "xarm"
    urdf = (source / "xarm6_robot.urdf").read_text().replace("package:/", str(source))
    for mesh in (source / "xarm_description" / "meshes" / "xarm6" / "visual").glob("*.stl"):
        corners = np.frombuffer(mesh.read_bytes()[HEADER + 4 :], TRIANGLE)["corners"]
        _write(folder / mesh.name, coarse(corners, GRID))
        urdf = urdf.replace(str(mesh), str(folder / mesh.name))
    path = folder / "arm.urdf"
    path.write_text(urdf)
    return path


def coarse(corners: np.ndarray, grid: float) -> np.ndarray:
    """Triangles (N, 3, 3) -> those left (M, 3, 3) when all vertices in a cube of the grid are moved to their mean."""
    points = corners.reshape(-1, 3).astype(float)
    _, cube, count = np.unique(np.floor(points / grid), axis=0, return_inverse=True, return_counts=True)
    means = np.stack([np.bincount(cube.ravel(), axis) for axis in points.T], axis=1) / count[:, None]
    triangles = np.sort(cube.reshape(-1, 3), axis=1)
    distinct: np.ndarray = np.all(np.diff(triangles, axis=1) > 0, axis=1)
    _, first = np.unique(triangles, axis=0, return_index=True)
    kept = np.sort(first[distinct[first]])
    return means[cube.reshape(-1, 3)[kept]]


def _write(path: Path, corners: np.ndarray) -> None:
    triangles = np.zeros(len(corners), TRIANGLE)
    triangles["corners"] = corners
    triangles["normal"] = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    triangles["normal"] /= np.maximum(np.linalg.norm(triangles["normal"], axis=1, keepdims=True), 1e-12)
    path.write_bytes(bytes(HEADER) + np.uint32(len(corners)).tobytes() + triangles.tobytes())
