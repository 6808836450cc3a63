"""Writes a recording as LeRobotDataset version 3: one parquet file, one mp4 per view, the tables that say what lies where.

Numbers come back bit by bit. Frames are coded as H.264 with 4:2:0 colour, as LeRobot's readers expect, so they do not: the
quantiser is set finer than LeRobot's default, and a key frame comes every other frame, as there.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.core.errors import BenchmarkError
from benchmark.data.episodes import Demos
from benchmark.datasets.files import require_packages
from benchmark.datasets.lerobot import ACTION, IMAGES, PRIVILEGED, SEMANTICS, STATE, VERSION, numbered

DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
FIRST = {"chunk_index": 0, "file_index": 0}
CODEC = ["-crf", "10", "-g", "2"]
QUANTILES = (1, 10, 50, 90, 99)  # percent, as LeRobot's own statistics have; policies normalise by the outer ones
SAMPLED = 200  # frames behind the statistics of images


def export(demos: Demos, semantics: dict[str, Any], name: str, target: Path) -> None:
    """Into a folder that must not exist yet; it appears when it is whole."""
    require_packages("lerobot", "pyarrow")
    if target.exists():
        raise BenchmarkError(f"{target} exists already; name a folder that does not")
    if demos.spec.resolution % 2:
        raise BenchmarkError(
            f"{name} has frames of {demos.spec.resolution} pixels; 4:2:0 video needs an even number: import again"
        )
    beside = target.with_name(f".{target.name}.part")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        _write(demos, semantics, name, beside)
        beside.rename(target)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _write(demos: Demos, semantics: dict[str, Any], name: str, root: Path) -> None:
    import pandas as pd

    spec, total = demos.spec, int(demos.ends[-1])
    keys = [f"{IMAGES}{view}" for view in spec.views]
    columns = {ACTION: demos.actions, STATE: demos.proprio, PRIVILEGED: demos.states}
    columns = {key: values for key, values in columns.items() if values.shape[1]}
    texts = [str(info.get("task") or name) for info in demos.infos]
    tasks = list(dict.fromkeys(texts))
    episode_of = np.repeat(np.arange(len(demos)), demos.lengths)
    within = np.arange(total) - demos.starts[episode_of]
    steps = pd.DataFrame({key: list(values) for key, values in columns.items()})
    steps["timestamp"] = (within / spec.hz).astype(np.float32)
    steps["frame_index"], steps["episode_index"], steps["index"] = within, episode_of, np.arange(total)
    steps["task_index"] = np.array([tasks.index(text) for text in texts])[episode_of]
    _parquet(steps, root / DATA.format(**FIRST))
    _parquet(
        pd.DataFrame({"task_index": range(len(tasks))}, index=pd.Index(tasks, name="task")), root / "meta/tasks.parquet", True
    )
    _parquet(_episodes(demos, keys, texts), root / "meta/episodes/chunk-000/file-000.parquet")
    for view, key in enumerate(keys):
        _encode(demos.frames[:, view], root / VIDEO.format(video_key=key, **FIRST), spec.hz)
    names = {key: numbered(key, v.shape[1]) for key, v in columns.items()}
    names[ACTION] = list(semantics.get("names") or names[ACTION])
    features: dict[str, Any] = {
        key: {"dtype": "float32", "shape": [v.shape[1]], "names": names[key]} for key, v in columns.items()
    }
    features |= {key: _video_feature(spec.resolution, spec.hz) for key in keys}
    scalars = {
        "timestamp": "float32",
        "frame_index": "int64",
        "episode_index": "int64",
        "index": "int64",
        "task_index": "int64",
    }
    features |= {key: {"dtype": dtype, "shape": [1], "names": None} for key, dtype in scalars.items()}
    info = {
        "codebase_version": VERSION,
        "robot_type": None,
        "total_episodes": len(demos),
        "total_frames": total,
        "total_tasks": len(tasks),
        "chunks_size": 1000,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 200,
        "fps": int(spec.hz) if spec.hz == int(spec.hz) else spec.hz,
        "splits": {"train": f"0:{len(demos)}"},
        "data_path": DATA,
        "video_path": VIDEO,
        "features": features,
        SEMANTICS: {key: value for key, value in semantics.items() if key != "names"},
    }
    (root / "meta/info.json").write_text(json.dumps(info, indent=4))
    stats: dict[str, Any] = {key: _stats(values) for key, values in columns.items()}
    sample = np.linspace(0, total - 1, min(total, SAMPLED)).astype(int)
    for view, key in enumerate(keys):
        pixels = demos.frames[sample, view].reshape(-1, 3) / 255
        stats[key] = {k: v if k == "count" else [[[x]] for x in v] for k, v in _stats(pixels).items()} | {
            "count": [len(sample)]
        }
    (root / "meta/stats.json").write_text(json.dumps(stats, indent=4))


def _episodes(demos: Demos, keys: list[str], texts: list[str]) -> Any:
    import pandas as pd

    zeros, starts = np.zeros(len(demos), np.int64), demos.starts.astype(np.int64)
    table: dict[str, Any] = {"episode_index": np.arange(len(demos)), "tasks": [[t] for t in texts], "length": demos.lengths}
    table |= {"data/chunk_index": zeros, "data/file_index": zeros, "dataset_from_index": starts, "dataset_to_index": demos.ends}
    for key in keys:
        table |= {f"videos/{key}/chunk_index": zeros, f"videos/{key}/file_index": zeros}
        table |= {
            f"videos/{key}/from_timestamp": starts / demos.spec.hz,
            f"videos/{key}/to_timestamp": demos.ends / demos.spec.hz,
        }
    table |= {"meta/episodes/chunk_index": zeros, "meta/episodes/file_index": zeros}
    return pd.DataFrame(table)


def _video_feature(side: int, hz: float) -> dict[str, Any]:
    info = {"video.height": side, "video.width": side, "video.codec": "h264", "video.pix_fmt": "yuv420p", "video.fps": hz}
    info |= {"video.channels": 3, "video.is_depth_map": False, "has_audio": False}
    return {"dtype": "video", "shape": [side, side, 3], "names": ["height", "width", "channels"], "info": info}


def _stats(values: np.ndarray) -> dict[str, list[float]]:
    numbers = {
        "min": values.min(0),
        "max": values.max(0),
        "mean": values.mean(0, dtype=float),
        "std": values.std(0, dtype=float),
    }
    numbers |= {f"q{percent:02d}": np.percentile(values, percent, axis=0) for percent in QUANTILES}
    return {key: value.tolist() for key, value in numbers.items()} | {"count": [len(values)]}


def _parquet(table: Any, path: Path, index: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_parquet(path, engine="pyarrow", index=index)


def _encode(frames: np.ndarray, path: Path, hz: float) -> None:
    import imageio_ffmpeg

    path.parent.mkdir(parents=True, exist_ok=True)
    writer = imageio_ffmpeg.write_frames(
        str(path), frames.shape[1:3][::-1], fps=hz, codec="libx264", quality=None, macro_block_size=2, output_params=CODEC
    )
    writer.send(None)
    for frame in frames:
        writer.send(np.ascontiguousarray(frame))
    writer.close()
