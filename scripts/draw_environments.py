#!/usr/bin/env python3
"""Draws the environments as their encoders see them: one row per view, moments of one scripted episode: docs/environments.png.

python scripts/draw_environments.py kitchen pusht block_push libero_goal
"""

from __future__ import annotations

import argparse
from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmark import registry
from benchmark.core.errors import BenchmarkError
from benchmark.core.seeds import seed
from benchmark.planning.config.compose import compose_config
from benchmark.simulation.demonstrate import demonstrate
from benchmark.storage.files import write_bytes

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "environments.png"
MOMENTS = 6


def moments(name: str, resolution: int) -> dict[str, np.ndarray]:
    """View -> frames, evenly spaced from the first to the last."""
    cls = registry.envs().get(name)
    config = compose_config(name, overrides=[f"env.{name}.resolution={resolution}"]).env[name]
    if reason := cls.unavailable_reason(config):
        raise BenchmarkError(f"{name} cannot run here: {reason}")
    (episode,) = demonstrate(cls, config, [seed("image", name)], workers=1, timeout=300)
    chosen = episode.frames[np.linspace(0, len(episode.frames) - 1, MOMENTS).astype(int)]
    return {view: chosen[:, index] for index, view in enumerate(cls.spec(config).views)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("envs", nargs="+", metavar="ENV")
    parser.add_argument("--resolution", type=int, default=96, help="side of a frame (default: 96, that of the quick preset)")
    options = parser.parse_args()
    rows = {(env, view): frames for env in options.envs for view, frames in moments(env, options.resolution).items()}
    figure = Figure(figsize=(9.6, 1.5 * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    for line, ((env, view), frames) in zip(figure.subplots(len(rows), MOMENTS, squeeze=False), rows.items(), strict=True):
        for axes, frame in zip(line, frames, strict=True):
            axes.imshow(frame, interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        line[0].set_ylabel(f"{registry.envs().get(env).title or env}\n{view}", rotation=0, ha="right", va="center", fontsize=8)
    drawn = BytesIO()
    figure.savefig(drawn, dpi=100)
    write_bytes(PICTURE, drawn.getvalue())


if __name__ == "__main__":
    main()
