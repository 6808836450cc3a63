"""What a table can be made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from benchmark.core.errors import BenchmarkError
from benchmark.results.options import Options
from benchmark.results.view import ResultsView


@dataclass(frozen=True)
class TableInputs:
    """One type for all tables; each takes what concerns it. Views may have been used for other tables: what they computed is
    not computed again."""

    options: Options = field(default_factory=Options)
    results: Sequence[ResultsView] = ()  # one; `budgets` takes one for each budget
    trials: pd.DataFrame | None = None  # of real robots, for `real`: task, method, successes, trials, perhaps robot
    episodes: pd.DataFrame | None = None  # of scripted demonstrators, for `experts`
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # column -> name -> value, for `hyperparameters`
    preset: str = ""  # which these are settings of

    @property
    def views(self) -> list[ResultsView]:
        return [view.with_options(self.options) for view in self.results]

    @property
    def view(self) -> ResultsView:
        if len(self.results) != 1:
            raise BenchmarkError(f"this table is made from one set of results, not {len(self.results)}")
        return self.views[0]
