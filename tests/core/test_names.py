"""One spelling of rows, wherever a reader types them."""

from __future__ import annotations

import pytest

from benchmark.core.errors import UnknownName
from benchmark.core.names import parse_row, row_label
from benchmark.results.bundle import Results
from benchmark.results.options import RowId
from tests.fake_results import make


def test_hyphens_are_underscores_and_labels_come_back() -> None:
    assert parse_row("byol-t:no-forward") == ("byol_t", "no_forward")
    for row in (("dynamo", ""), ("dynamo", "no_forward")):
        assert parse_row(row_label(*row)) == row == RowId.parse(row_label(*row))


def test_recorded_rows_are_found_as_the_command_line_finds_planned_ones() -> None:
    found = Results(*make()).only(["dynamo:no-forward"]).cells
    assert set(zip(found.method, found.variant, strict=True)) == {("dynamo", "no_forward")}
    with pytest.raises(UnknownName):
        Results(*make()).only(["dynamo:no-backward"])
