"""Tables of several results at once: which of them holds which setting."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.core.errors import BenchmarkError
from benchmark.report import captions
from benchmark.results.options import Column
from benchmark.results.view import ResultsView


def settings(views: Sequence[ResultsView]) -> dict[Column, ResultsView]:
    """Where each column was measured."""
    found: dict[Column, ResultsView] = {}
    for view in views:
        for column in view.columns:
            if column in found:
                what = captions.setting(view, column)
                raise BenchmarkError(f"{what} is in two of the records, made with other settings: leave one of them out")
            found[column] = view
    return found
