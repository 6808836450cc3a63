"""A stand-in for the one large mesh that most copies of LIBERO's assets lack: the black bowl.

A profile turned about the vertical axis, fitted to the collision boxes that the assets do have: foot, wall and rim lie within
2 mm of them. Physics stays that of the original but for the mesh's share of the bowl's mass.
"""

from __future__ import annotations

from functools import cache

import numpy as np

PROFILE = (  # radius and height in metres: from the middle of the foot outwards, over the rim, down to the middle inside
    *((0.0, 0.0016), (0.030, 0.0016), (0.0345, 0.006), (0.041, 0.018), (0.047, 0.033), (0.0535, 0.0525)),
    *((0.051, 0.0525), (0.0445, 0.033), (0.0385, 0.018), (0.032, 0.0085), (0.0, 0.0075)),
)
SEGMENTS = 48


@cache
def bowl() -> tuple[np.ndarray, np.ndarray]:
    """Vertices (N, 3) in metres and faces (M, 3), counter-clockwise seen from outside. Closed: every edge has two faces."""
    angles = 2 * np.pi * np.arange(SEGMENTS) / SEGMENTS
    (bottom, *rings, top) = PROFILE
    circles = [np.stack([r * np.cos(angles), r * np.sin(angles), np.full(SEGMENTS, z)], 1) for r, z in rings]
    vertices = np.concatenate([*circles, [[0, 0, bottom[1]], [0, 0, top[1]]]])
    here = np.arange(SEGMENTS)
    there = (here + 1) % SEGMENTS
    last = SEGMENTS * (len(rings) - 1)
    faces = [np.stack([np.full(SEGMENTS, len(vertices) - 2), there, here], 1)]
    for ring in range(0, last, SEGMENTS):
        faces.append(np.stack([ring + here, ring + there, ring + SEGMENTS + there], 1))
        faces.append(np.stack([ring + here, ring + SEGMENTS + there, ring + SEGMENTS + here], 1))
    faces.append(np.stack([last + here, last + there, np.full(SEGMENTS, len(vertices) - 1)], 1))
    return vertices, np.concatenate(faces)
