"""Names that are written out so that help imports nothing are those that exist."""

from __future__ import annotations

from benchmark.cli import data, flags, table
from benchmark.datasets import FORMATS
from benchmark.datasets.source import REPRESENTATIONS, UNKNOWN
from benchmark.report.render import STYLES
from benchmark.report.tables import TABLES


def test_they_are_those_of_the_modules_that_do_the_work() -> None:
    assert tuple(TABLES) == table.OF_SCORES
    assert tuple(STYLES) == flags.TABLE_FORMATS
    assert tuple(FORMATS) == data.SOURCE_FORMATS
    assert (*data.ACTION_MEANINGS, UNKNOWN) == REPRESENTATIONS
