"""LeRobotDataset version 3: numbers in parquet, one mp4 per camera for many episodes, a table of where each episode lies."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.contracts import Episode
from benchmark.errors import BenchmarkError
from benchmark.importers.files import existing, inside, read_json, require_packages
from benchmark.importers.source import Actions, Description, Source, make_episode
from benchmark.importers.video import Video

VERSION = "v3.0"
ACTION, STATE, PRIVILEGED = "action", "observation.state", "observation.environment_state"
IMAGES = "observation.images."
SEMANTICS = "action_semantics"  # ours, in info.json: LeRobot has no place for what an action means


class LeRobot(Source):
    format = "lerobot"
    looks_like = f"a folder with meta/info.json of LeRobotDataset {VERSION}"

    def __init__(self, path: Path):
        super().__init__(path)
        require_packages(self.format, "pyarrow")
        self._info = read_json(path / "meta" / "info.json")
        version = self._info.get("codebase_version", "none")
        if not str(version).startswith("v3."):
            raise BenchmarkError(f"{path} is a LeRobotDataset {version}; only {VERSION} is read: convert it with LeRobot first")
        features = self._info.get("features", {})
        self._cameras = [name for name, f in features.items() if f.get("dtype") == "video" and _colour(f)]
        if not self._cameras or ACTION not in features:
            raise BenchmarkError(f"{path / 'meta/info.json'}: no colour video or no '{ACTION}' among {', '.join(features)}")
        self._numeric = [name for name in (STATE, PRIVILEGED) if name in features]
        self._tables = sorted(path.glob("meta/episodes/*/*.parquet"))
        rows = [row for table in self._tables for row in _read(table).to_pylist()]
        fps = self._info.get("fps")
        if not isinstance(fps, (int, float)) or not fps > 0:
            raise BenchmarkError(f"{path / 'meta/info.json'}: fps is {fps!r}")
        self._hz = float(fps)
        if absent := {"episode_index", "length"} - set(rows[0] if rows else ()):
            raise BenchmarkError(f"{path / 'meta/episodes'} lacks the columns {', '.join(sorted(absent))}, or any row")
        self._rows = sorted(rows, key=lambda row: row["episode_index"])
        if not self._rows or len(self._rows) != self._info.get("total_episodes"):
            announced = self._info.get("total_episodes")
            raise BenchmarkError(f"{path / 'meta/episodes'} lists {len(self._rows)} episodes, info.json announces {announced}")

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return (path / "meta" / "info.json").is_file()

    def describe(self) -> Description:
        said = self._info.get(SEMANTICS, {})
        actions = Actions(**{k: str(said[k]) for k in Actions().__dict__ if k in said})
        left_out = [
            n for n, f in self._info["features"].items() if f.get("dtype") in ("video", "image") and n not in self._cameras
        ]
        notes = (f"not taken: {', '.join(left_out)}",) if left_out else ()
        return Description(tuple(c.removeprefix(IMAGES) for c in self._cameras), len(self._rows), self._hz, actions, notes)

    def files(self) -> list[Path]:
        named = [self._data(row) for row in self._rows] + [self._video(row, c) for row in self._rows for c in self._cameras]
        return [self.path / "meta" / "info.json", *self._tables, *dict.fromkeys(named)]

    def episodes(self, start: int, side: int | None) -> Iterator[Episode]:
        videos: dict[str, Video] = {}
        table, opened = None, None
        for row in self._rows[start:]:
            if self._data(row) != opened:
                opened = self._data(row)
                table = _read(opened, [ACTION, *self._numeric, "episode_index"])
            assert table is not None
            yield self._episode(row, table, videos, side)
        for video in videos.values():
            video.close()

    def _episode(self, row: dict[str, Any], table: Any, videos: dict[str, Video], side: int | None) -> Episode:
        number, path = row["episode_index"], self._data(row)
        mine = table.filter(np.asarray(table["episode_index"]) == number)
        if len(mine) != row["length"]:
            raise BenchmarkError(f"{path} holds {len(mine)} steps of episode {number}, its table announces {row['length']}")
        columns = {name: np.asarray(mine[name].to_pylist(), np.float32) for name in (ACTION, *self._numeric)}
        views = {}
        for camera in self._cameras:
            file = self._video(row, camera)
            if camera not in videos or videos[camera].path != file:
                videos[camera] = Video(file)
            first = round(self._place(row, f"videos/{camera}/from_timestamp") * self._hz)
            views[camera] = videos[camera].take(first, row["length"])
        return make_episode(
            views,
            side,
            f"{path}, episode {number}",
            actions=columns[ACTION],
            states=columns.get(PRIVILEGED),
            proprio=columns.get(STATE),
            info={"task": "; ".join(row["tasks"])} if row.get("tasks") else {},
        )

    def _data(self, row: dict[str, Any]) -> Path:
        return self._named("data_path", row, "data")

    def _video(self, row: dict[str, Any], camera: str) -> Path:
        return self._named("video_path", row, f"videos/{camera}", video_key=camera)

    def _named(self, template: str, row: dict[str, Any], prefix: str, **names: str) -> Path:
        chunk, file = int(self._place(row, f"{prefix}/chunk_index")), int(self._place(row, f"{prefix}/file_index"))
        try:
            name = self._info[template].format(chunk_index=chunk, file_index=file, **names)
        except (KeyError, ValueError, IndexError, AttributeError) as error:
            raise BenchmarkError(f"{self.path / 'meta/info.json'}: {template} is missing or unusable: {error!r}") from error
        return existing(inside(self.path, name))

    def _place(self, row: dict[str, Any], column: str) -> float:
        value = row.get(column)
        if not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
            raise BenchmarkError(f"{self.path / 'meta/episodes'}: {column} of episode {row['episode_index']} is {value!r}")
        return value


def _colour(feature: dict[str, Any]) -> bool:
    info = feature.get("info") or feature.get("video_info") or {}
    return not info.get("video.is_depth_map", False)


def _read(path: Path, columns: list[str] | None = None) -> Any:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(existing(path)) as file:
            names = columns or [n for n in file.schema_arrow.names if not n.startswith("stats/")]
            if absent := set(names) - set(file.schema_arrow.names):
                raise BenchmarkError(f"{path} lacks the columns {', '.join(sorted(absent))}")
            return file.read(columns=names)
    except (pyarrow.ArrowException, OSError) as error:
        raise BenchmarkError(f"{path} is no parquet file, or it is truncated: {error}") from error
