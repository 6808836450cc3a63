"""LeRobot's tables, with films beside them or pictures in them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.datasets.builders.content import LENGTHS, SIDE, Built, images, numbers
from tests.datasets.builders.pictures import png, write_video


def lerobot_images(root: Path) -> Built:
    """As LeRobot writes with use_videos=False: one camera's images lie in the table, as PNG, and nothing is lost."""
    built = lerobot(root)
    import pandas as pd

    key = "observation.images.wrist"
    for file, members in enumerate(([0, 1], [2])):
        path = root / f"data/chunk-000/file-{file:03d}.parquet"
        frames = np.concatenate([built.frames[number][:, 1] for number in members])
        table = pd.read_parquet(path)
        table[key] = [{"bytes": png(frame), "path": f"{index}.png"} for index, frame in enumerate(frames)]
        table.to_parquet(path)
    shutil.rmtree(root / "videos" / key)
    info = json.loads((root / "meta/info.json").read_text())
    info["features"][key] = {"dtype": "image", "shape": [SIDE, SIDE, 3]}
    info["features"]["action"]["names"] = {"motors": ["pan", "lift", "grip"]}
    (root / "meta/info.json").write_text(json.dumps(info))
    return built


def lerobot(root: Path) -> Built:
    """Two episodes in the first files, one in the second ones, as when the first were full."""
    pytest.importorskip("pyarrow", reason="python -m pip install -e .[data]")
    import pandas as pd

    frames, actions, proprio = images(2), numbers(3), numbers(4, 1)
    keys = ("observation.images.top", "observation.images.wrist")
    files, fps = ([0, 1], [2]), 10
    rows = []
    for file, members in enumerate(files):
        steps, begin = [], 0.0
        for number in members:
            start = sum(LENGTHS[:number])
            row: dict[str, Any] = {"episode_index": number, "tasks": ["push"], "length": LENGTHS[number]}
            row |= {"data/chunk_index": 0, "data/file_index": file}
            row |= {"dataset_from_index": start, "dataset_to_index": start + LENGTHS[number]}
            for key in keys:
                row |= {f"videos/{key}/chunk_index": 0, f"videos/{key}/file_index": file}
                row |= {f"videos/{key}/from_timestamp": begin, f"videos/{key}/to_timestamp": begin + LENGTHS[number] / fps}
            begin += LENGTHS[number] / fps
            rows.append({**row, "stats/action/min": actions[number].min(0).tolist()})
            for index in range(LENGTHS[number]):
                step = {"action": actions[number][index], "observation.state": proprio[number][index]}
                where = {"timestamp": index / fps, "frame_index": index, "episode_index": number, "index": start + index}
                steps.append({**step, **where, "task_index": 0})
        path = root / f"data/chunk-000/file-{file:03d}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(steps).to_parquet(path)
        for view, key in enumerate(keys):
            video = root / f"videos/{key}/chunk-000/file-{file:03d}.mp4"
            write_video(video, np.concatenate([frames[n][:, view] for n in members]), fps)
    (root / "meta/episodes/chunk-000").mkdir(parents=True)
    pd.DataFrame(rows).to_parquet(root / "meta/episodes/chunk-000/file-000.parquet")
    pd.DataFrame({"task_index": [0]}, index=pd.Index(["push"], name="task")).to_parquet(root / "meta/tasks.parquet")
    features = {"action": {"dtype": "float32", "shape": [3]}, "observation.state": {"dtype": "float32", "shape": [4]}}
    features |= {key: {"dtype": "video", "shape": [SIDE, SIDE, 3]} for key in keys}
    info = {"codebase_version": "v3.0", "fps": fps, "total_episodes": 3, "total_frames": sum(LENGTHS), "features": features}
    info["data_path"] = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
    info["video_path"] = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
    (root / "meta/info.json").write_text(json.dumps(info))
    return Built(root, "lerobot", ("top", "wrist"), 10.0, frames, actions, None, proprio, lossless=False, tasks=["push"] * 3)
