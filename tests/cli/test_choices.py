"""Names that are written out so that help imports nothing are those that exist."""

from __future__ import annotations

from benchmark.cli import data, flags
from benchmark.contracts.specs import REPRESENTATIONS, UNKNOWN
from benchmark.datasets import FORMATS
from benchmark.report.render import STYLES


def test_they_are_those_of_the_modules_that_do_the_work() -> None:
    assert tuple(STYLES) == flags.TABLE_FORMATS
    assert tuple(FORMATS) == data.SOURCE_FORMATS
    assert (*data.ACTION_MEANINGS, UNKNOWN) == REPRESENTATIONS
