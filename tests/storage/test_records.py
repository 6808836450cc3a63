"""Records of episodes as columns, which tables are made of: the same as episode by episode."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from benchmark.core.errors import Corrupt
from benchmark.planning.graph import CellId
from benchmark.results.gather import joined
from benchmark.storage.records import RECORDS, EpisodeRecord, read_columns, read_records, write_records

EPISODES = [
    EpisodeRecord(0, 7, 24, 1.0, False, metrics={"tasks": 2.0, "task/left": 1.0}),
    EpisodeRecord(1, 8, 3, 0.0, True, "the toy broke", {"tasks": 0.0}),
]
OTHERS = [EpisodeRecord(0, 7, 24, 0.5, False, metrics={"coverage": 0.25})]


def test_columns_are_those_of_the_episodes(tmp_path: Path) -> None:
    places, folders = (
        [CellId("toy", "byol", "", "knn", 0), CellId("pusht", "byol", "", "knn", 1)],
        (tmp_path / "a", tmp_path / "b"),
    )
    rows = []
    for place, folder, episodes in zip(places, folders, (EPISODES, OTHERS), strict=True):
        folder.mkdir()
        write_records(folder, episodes)
        assert read_records(folder) == episodes
        rows += [{**vars(place), **episode.to_row()} for episode in episodes]
    table = joined(places, [read_columns(folder) for folder in folders])
    pd.testing.assert_frame_equal(table[sorted(table)], pd.DataFrame(rows)[sorted(table)])


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"score": 1}', '{"episode": 0, "episode_seed": 7, "steps": 2, "score": 1, "crashed": false, "x": 1}']
)
def test_a_line_that_is_no_episode_is_told(line: str, tmp_path: Path) -> None:
    write_records(tmp_path, EPISODES)
    with (tmp_path / RECORDS).open("a") as file:
        file.write(f"{line}\n")
    for read in (read_records, read_columns):
        with pytest.raises(Corrupt, match=r"records\.jsonl cannot be read"):
            read(tmp_path)
