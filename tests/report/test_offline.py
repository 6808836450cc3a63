"""The table of errors on held-out episodes, and the picture of one of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmark.core.errors import BenchmarkError
from benchmark.report.demo import Demo, figure
from benchmark.report.gallery import gallery
from tests.fake_results import make, table_of, view_of

DIMS = ("x", "z", "pitch")


def results() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two data sets: nine episodes of one and a single one of another, which has neither pitch nor gripper."""
    records, cells = make(envs=("kitchen",), policies=("mlp", "knn"), seeds=1)
    alone = records.episode == 9
    records["metric/data_set/many"], records["metric/data_set/one"] = (
        np.where(where, 1.0, np.nan) for where in (~alone, alone)
    )
    own = 0.1 * (1 + records.episode) + np.where(records.policy == "knn", 1.0, 0.0)
    for name, factor in (("error", 1.0), ("mean_action", 2.0), *((f"error/{dim}", 1.0) for dim in DIMS)):
        records[f"metric/offline/{name}"] = factor * own.where(~(alone & ("pitch" in name)))
    for dim in DIMS:
        records[f"metric/offline/in_units/{dim}"] = 0.01 * records[f"metric/offline/error/{dim}"]
        records[f"metric/offline/mean_action/{dim}"] = 2.0 * records[f"metric/offline/error/{dim}"]
    records["metric/offline/gripper"] = pd.Series(0.75, records.index).where(~alone)
    records["metric/offline/mean_action_gripper"] = pd.Series(0.5, records.index).where(~alone)
    return records, cells


def test_each_data_set_has_its_rows_and_the_mean_action() -> None:
    table = table_of("offline", *results())
    labels = [row.label for row in table.rows]
    assert labels.count("many: dynamo, mlp") == labels.count("one: dynamo, knn") == 1
    assert [label for label in labels if "mean action" in label] == ["many: mean action", "one: mean action"]
    headings = [column.heading for column in table.columns]
    assert headings == ["error", *DIMS, *(f"{dim}, units" for dim in DIMS), "gripper"], "in the order of a pose"
    error = table.column("error")
    mean = np.mean(0.1 * np.arange(1, 10))
    assert error["many: dynamo, mlp"].value == pytest.approx(mean)
    assert error["many: dynamo, knn"].value == pytest.approx(mean + 1)
    low, high = error["many: dynamo, mlp"].low, error["many: dynamo, mlp"].high
    assert low is not None
    assert high is not None
    assert low < mean < high
    assert table.column("in_units/x")["many: dynamo, mlp"].value == pytest.approx(0.01 * mean)
    assert error["many: mean action"].value == pytest.approx(2 * mean)
    assert table.column("gripper")["many: mean action"].value == 0.5
    assert table.column("gripper")["one: dynamo, mlp"].text == "—"
    assert table.column("error/pitch")["one: dynamo, mlp"].text == "—"
    assert "not success" in table.caption


def test_a_single_episode_has_no_interval() -> None:
    table = table_of("offline", *results())
    cell = table.column("error")["one: dynamo, mlp"]
    assert (cell.text, cell.low, cell.notes) == ("1.00", None, ("one held-out episode: no interval",))
    single = table.column("error/x")["one: dynamo, mlp"]
    assert (single.text, single.low, single.notes) == ("1", None, ())


def test_rows_of_one_policy_and_rows_without_results() -> None:
    table = table_of("offline", *results(), policy="knn")
    labels = [row.label for row in table.rows]
    assert "many: dynamo" in labels
    absent = table.column("error")["many: r3m"]
    assert absent.text == "—"
    assert "no weights here" in absent.notes[0]
    with pytest.raises(BenchmarkError, match="that is done where nothing can be acted in"):
        table_of("offline", *make())


def demo(steps: int = 25) -> Demo:
    frames = np.zeros((steps, 2, 8, 8, 3), np.uint8)
    frames[:, 0, ..., 0], frames[:, 1, ..., 1] = (10 * np.arange(steps)[:, None, None] for _ in range(2))
    recorded = np.linspace([0, 1, -1], [1, 0, 1], steps)
    return Demo(
        "mixture",
        "bridge",
        "bridge, held-out episode 3: lift $it$",
        "m",
        frames,
        ("x", "y", "gripper"),
        recorded,
        {"dynamo, mlp": -recorded},
    )


def test_frames_and_curves_share_their_time() -> None:
    one = demo()
    filmstrip, *panels = figure(one).axes
    assert [panel.get_ylabel() for panel in panels] == list(one.dims)
    assert filmstrip.get_xlim() == panels[0].get_xlim() == (0, 25)
    shown = filmstrip.images[0].get_array()
    assert shown is not None
    assert shown.shape == (16, 80, 3), "two views, ten frames"
    assert shown[0, ::8, 0].tolist() == [10 * int((n + 0.5) * 2.5) for n in range(10)], "from the middle of equal spans"
    for dim, panel in enumerate(panels):
        recorded, predicted = (patch.get_data().values for patch in panel.patches)  # type: ignore[attr-defined]
        np.testing.assert_array_equal(recorded, one.recorded[:, dim])
        np.testing.assert_array_equal(predicted, -one.recorded[:, dim])


def test_it_is_part_of_the_report() -> None:
    drawn, _ = gallery(view_of(*results()), [demo()])
    [one] = [drawing for drawing in drawn if drawing.name == "demo-bridge-mixture"]
    assert one.title == "bridge, held-out episode 3: lift $it$"
    assert "x, y, gripper as recorded and of dynamo, mlp" in one.words
