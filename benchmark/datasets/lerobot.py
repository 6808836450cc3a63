"""LeRobotDataset version 3: numbers in parquet, one mp4 per camera for many episodes, a table of where each episode lies."""

from __future__ import annotations

import math
import string
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.contracts.data import Episode
from benchmark.core.errors import BenchmarkError
from benchmark.datasets.budget import allow
from benchmark.datasets.files import existing, inside, read_json, reading
from benchmark.datasets.source import Actions, Description, Source, make_episode
from benchmark.datasets.video import Video

VERSION = "v3.0"
ACTION, STATE, PRIVILEGED = "action", "observation.state", "observation.environment_state"
IMAGES = "observation.images."
WIDTHS = frozenset(["", "d", *(f"{zero}{width}{d}" for zero in ("0", "") for width in range(1, 10) for d in ("d", ""))])
FPS_ERROR = 0.01  # relative: ffmpeg tells rates with two decimals
CELL = 100  # bytes of a number of a table as a Python object in a list
SEMANTICS = "action_semantics"  # ours, in info.json: LeRobot has no place for what an action means


class LeRobot(Source):
    format = "lerobot"
    looks_like = f"a folder with meta/info.json of LeRobotDataset {VERSION}"
    packages = ("pyarrow",)

    def __init__(self, path: Path):
        super().__init__(path)
        self._facts, self._places = path / "meta" / "info.json", path / "meta" / "episodes"
        self._info = read_json(self._facts)
        version = self._info.get("codebase_version", "none")
        if not str(version).startswith("v3."):
            raise BenchmarkError(f"{path} is a LeRobotDataset {version}; only {VERSION} is read: convert it with LeRobot first")
        with reading(self._facts):
            features = self._info.get("features", {})
            images = [name for name, f in features.items() if f.get("dtype") in ("video", "image")]
            self._cameras = [name for name in images if features[name]["dtype"] == "video" and _colour(features[name])]
            if not self._cameras or ACTION not in features:
                raise BenchmarkError(f"{self._facts}: no colour video or no '{ACTION}' among {', '.join(features)}")
            self._left_out = [name for name in images if name not in self._cameras]
            self._numeric = [name for name in (STATE, PRIVILEGED) if name in features]
            fps = self._info.get("fps")
            if not isinstance(fps, int | float) or not fps > 0:
                raise BenchmarkError(f"{self._facts}: fps is {fps!r}")
            self._hz = float(fps)
            said = self._info.get(SEMANTICS, {})
            self._actions = Actions(**{k: str(said[k]) for k in Actions().__dict__ if k in said})
        self._tables = sorted(path.glob("meta/episodes/*/*.parquet"))
        rows = [row for table in self._tables for row in _read(table).to_pylist()]
        if absent := {"episode_index", "length"} - set(rows[0] if rows else ()):
            raise BenchmarkError(f"{self._places} lacks the columns {', '.join(sorted(absent))}, or any row")
        with reading(self._places):
            self._rows = sorted(rows, key=lambda row: row["episode_index"])
        if not self._rows or len(self._rows) != self._info.get("total_episodes"):
            announced = self._info.get("total_episodes")
            raise BenchmarkError(f"{self._places} lists {len(self._rows)} episodes, info.json announces {announced}")
        numbers = [row["episode_index"] for row in self._rows]
        if twice := [a for a, b in pairwise(numbers) if a == b]:
            raise BenchmarkError(f"{self._places} lists episode {twice[0]} more than once")
        for row in self._rows:
            if not isinstance(row["length"], int) or row["length"] < 1 or not isinstance(row["episode_index"], int):
                raise BenchmarkError(f"{self._places}: episode {row['episode_index']!r} has {row['length']!r} steps")

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return (path / "meta" / "info.json").is_file()

    def describe(self) -> Description:
        notes = (f"not taken: {', '.join(self._left_out)}",) if self._left_out else ()
        views = tuple(camera.removeprefix(IMAGES) for camera in self._cameras)
        return Description(views, len(self._rows), self._hz, self._actions, notes)

    def files(self) -> list[Path]:
        named = [self._data(row) for row in self._rows] + [self._video(row, c) for row in self._rows for c in self._cameras]
        return [self._facts, *self._tables, *dict.fromkeys(named)]

    def _stream(self, start: int, side: int | None) -> Iterator[Episode]:
        videos: dict[str, Video] = {}
        table, opened = None, None
        for row in self._rows[start:]:
            if self._data(row) != opened:
                opened = self._data(row)
                table = _read(opened, [ACTION, *self._numeric, "episode_index", "frame_index"])
            assert table is not None
            yield self._episode(row, table, videos, side)
        for video in videos.values():
            video.close()

    def _episode(self, row: dict[str, Any], table: Any, videos: dict[str, Video], side: int | None) -> Episode:
        number, path = row["episode_index"], self._data(row)
        with reading(self._places):
            task = "; ".join(row.get("tasks") or ())
        mine = table.filter(np.asarray(table["episode_index"]) == number)
        if len(mine) != row["length"]:
            raise BenchmarkError(f"{path} holds {len(mine)} steps of episode {number}, its table announces {row['length']}")
        if not np.array_equal(mine["frame_index"], np.arange(len(mine))):
            raise BenchmarkError(f"{path}: the steps of episode {number} are not in the order of frame_index")
        with reading(path):
            columns = {name: np.asarray(mine[name].to_pylist(), np.float32) for name in (ACTION, *self._numeric)}
        views = {}
        for camera in self._cameras:
            file = self._video(row, camera)
            if camera not in videos or videos[camera].path != file:
                videos[camera] = Video(file)
                if not math.isclose(videos[camera].fps, self._hz, rel_tol=FPS_ERROR):
                    raise BenchmarkError(
                        f"{file} has {videos[camera].fps:g} frames per second and info.json says {self._hz:g}: "
                        "frames and actions would not belong together"
                    )
            first = round(self._place(row, f"videos/{camera}/from_timestamp") * self._hz)
            views[camera] = videos[camera].take(first, row["length"])
        return make_episode(
            views,
            side,
            f"{path}, episode {number}",
            actions=columns[ACTION],
            states=columns.get(PRIVILEGED),
            proprio=columns.get(STATE),
            info={"task": task} if task else {},
        )

    def _data(self, row: dict[str, Any]) -> Path:
        return self._named("data_path", row, "data")

    def _video(self, row: dict[str, Any], camera: str) -> Path:
        return self._named("video_path", row, f"videos/{camera}", video_key=camera)

    def _named(self, template: str, row: dict[str, Any], prefix: str, **names: str) -> Path:
        chunk, file = int(self._place(row, f"{prefix}/chunk_index")), int(self._place(row, f"{prefix}/file_index"))
        with reading(f"{self._facts}: {template}"):
            pattern = _pattern(self._info[template], {"chunk_index", "file_index", *names})
            return existing(inside(self.path, pattern.format(chunk_index=chunk, file_index=file, **names)))

    def _place(self, row: dict[str, Any], column: str) -> float:
        value = row.get(column)
        if not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
            raise BenchmarkError(f"{self._places}: {column} of episode {row['episode_index']} is {value!r}")
        return value


def _pattern(text: str, names: set[str]) -> str:
    """A path pattern that names these alone and pads numbers to a few digits: `format` would pad to any width."""
    for _, name, width, conversion in string.Formatter().parse(text):
        if name is not None and (name not in names or width not in WIDTHS or conversion):
            raise ValueError(f"{text[:80]!r} is no path pattern; it may hold {', '.join(sorted(names))}")
    return text


def _colour(feature: dict[str, Any]) -> bool:
    info = feature.get("info") or feature.get("video_info") or {}
    return not info.get("video.is_depth_map", False)


def _read(path: Path, columns: list[str] | None = None) -> Any:
    import pyarrow.parquet

    with reading(path), pyarrow.parquet.ParquetFile(existing(path)) as file:
        names = columns or [n for n in file.schema_arrow.names if not n.startswith("stats/")]
        if absent := set(names) - set(file.schema_arrow.names):
            raise BenchmarkError(f"{path} lacks the columns {', '.join(sorted(absent))}")
        allow(CELL * _cells(file.metadata, names), f"{path}, unpacked,")
        return file.read(columns=names, use_threads=False)


def _cells(metadata: Any, names: list[str]) -> int:
    """The values of some columns, those of lists counted one by one, as the file announces them."""
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    columns = [group.column(index) for group in groups for index in range(group.num_columns)]
    return sum(column.num_values for column in columns if column.path_in_schema.partition(".")[0] in names)
