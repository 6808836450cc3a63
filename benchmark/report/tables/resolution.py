"""What each setting can show: its ceiling and the bar for it, its floors, the noise between training seeds, and a verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmark.core.errors import BenchmarkError
from benchmark.report import captions
from benchmark.report.cells import score_cell
from benchmark.report.inputs import TableInputs
from benchmark.report.table import DASH, Table, TableCell, TableColumn, TableRow
from benchmark.report.tables._settings import settings
from benchmark.results import quality
from benchmark.results.options import Column, RowId
from benchmark.results.power import POWER
from benchmark.results.separation import Separation, Spread, separation
from benchmark.results.statistics import MIN_ROWS
from benchmark.results.view import ResultsView

CAN = "can separate encoders"
NO_DEMONSTRATOR = "no score of the demonstrations is recorded"
NO_BAR = "the environment states no bar"
NO_CEILING = "no row that sees the state has scores"
NO_FLOOR = "no untrained row has scores"
NO_TRAINED = "no trained row has scores"
ONE_SEED = "one training seed says nothing of other seeds"
NO_AGREEMENT = f"fewer than {MIN_ROWS} rows have two seeds in common, or their scores do not differ"
NOTHING = "nothing has been run"
A_ROW_OF_ONE = "a row has one training seed"
NOT_SHARED = "two rows have fewer than two training seeds in common"
NO_VARIANCE = "the scores of a seed do not vary, or are of one episode"
CAPTION = (
    "Whether a setting can separate encoders. The interval of its ceiling, a policy that sees the simulator's state, must lie "
    "above those of all networks that are not trained (floors), and the minimum detectable difference between two rows (MDD, "
    f"{100 * POWER:g} % power) must be smaller than the gap between ceiling and highest floor. Bar: what the environment wants "
    "of the ceiling's mean; where it is missed, demonstrations or policy want mending first. This looks upwards only: of rows "
    "that fall below a floor it says nothing. Demonstrator: mean score of the demonstrations. Seed SD: standard deviation of "
    "the mean scores of training seeds, for the first floor and for the trained row of median score. Seed ranks: rank "
    "correlation of the scores of two training seeds."
)


def table(inputs: TableInputs) -> Table:
    """Of any number of results, none of which hold the same environment and policy."""
    if (inputs.options.metric, inputs.options.statistic) != ("score", "mean"):
        raise BenchmarkError("bars are stated for the mean score: leave --metric and --statistic out")
    measured = settings(inputs.views)
    views = dict.fromkeys(measured.values())
    ceilings = list(dict.fromkeys(row for view in views for row in view.rows if view.kind(row) == "ceiling"))
    floors = list(dict.fromkeys(row for view in views for row in view.untrained))
    rows = [_row(view, column, ceilings, floors) for column, view in measured.items()]
    columns = (
        TableColumn("maximum", "Maximum"),
        TableColumn("demonstrator", "Demonstrator"),
        *(TableColumn(f"ceiling/{row}", f"Ceiling: {row}") for row in ceilings),
        TableColumn("bar", "Bar"),
        TableColumn("met", "Met", "left"),
        *(TableColumn(f"floor/{row}", f"Floor: {row}") for row in floors),
        TableColumn("seed_sd/floor", "Seed SD, floor"),
        TableColumn("seed_sd/median", "Seed SD, median row"),
        TableColumn("seed_ranks", "Seed ranks"),
        TableColumn("sample", "Episodes x seeds"),
        TableColumn("mdd", "MDD"),
        TableColumn("verdict", "Verdict", "left"),
    )
    parts = [captions.protocol(view, [column for column in view.columns if measured[column] is view]) for view in views]
    remarks = filter(None, [captions.agreement(view, column) for column, view in measured.items()])
    return Table("resolution", " ".join([CAPTION, *parts]), "Setting", columns, tuple(rows), tuple(remarks))


def _row(view: ResultsView, column: Column, ceilings: Sequence[RowId], floors: Sequence[RowId]) -> TableRow:
    of = separation(view, column)
    agreement = quality.agreement(view, column)
    beyond = of.detectable is not None and of.detectable > captions.reach(view, column)
    met = {True: "yes", False: "no", None: DASH}[of.reaches]
    cells = (
        TableCell(f"{of.maximum:g}", of.maximum),
        _number(of.demonstrator, NO_DEMONSTRATOR),
        *(score_cell(view, column, row) for row in ceilings),
        TableCell(f"{of.target:g}", of.target) if of.target is not None else TableCell(DASH, notes=(NO_BAR,)),
        TableCell(met),
        *(score_cell(view, column, row) for row in floors),
        _spread(of.of_floor, NO_FLOOR),
        _spread(of.of_median_row, NO_TRAINED),
        _number(agreement.correlation if agreement else None, NO_AGREEMENT),
        TableCell(f"{captions.counts(of.episodes)} x {captions.counts(of.seeds)}" if of.episodes and of.seeds else DASH),
        TableCell(DASH, notes=(captions.BEYOND,)) if beyond else _number(of.detectable, _undetectable(of)),
        TableCell(_verdict(of, beyond)),
    )
    return TableRow(captions.setting(view, column), cells)


def _verdict(of: Separation, beyond: bool) -> str:
    if of.separates:
        return f"{CAN}, though {of.ceiling.row} misses its bar" if of.ceiling and of.reaches is False else CAN
    return f"cannot: {'; '.join(_obstacles(of, beyond))}"


def _obstacles(of: Separation, beyond: bool) -> Iterator[str]:
    """Everything that stands in the way, in the order of the columns."""
    if of.seeds is None:
        yield NOTHING
        return
    if of.ceiling is None:
        yield NO_CEILING
    elif of.reaches is False:
        yield f"{of.ceiling.row} misses its bar"
    if not of.floors:
        yield NO_FLOOR
    elif of.ceiling and of.not_below:
        yield f"the interval of {of.ceiling.row} does not lie above that of {' and '.join(map(str, of.not_below))}"
    if beyond:
        yield captions.BEYOND
    elif of.detectable is None:
        yield f"no MDD: {_undetectable(of)}"
    elif of.gap is not None and not of.resolves:
        yield f"the MDD is not smaller than the gap of {of.gap:.2f}"


def _undetectable(of: Separation) -> str:
    if of.seeds is None:
        return NOTHING
    if of.seeds.low < 2:
        return A_ROW_OF_ONE
    return NOT_SHARED if of.shared < 2 else NO_VARIANCE


def _spread(of: Spread | None, without: str) -> TableCell:
    if of is None:
        return TableCell(DASH, notes=(without,))
    if of.deviation is None:
        return TableCell(DASH, notes=(ONE_SEED,))
    return TableCell(f"{of.deviation:.2f} ({of.row})", of.deviation)


def _number(value: float | None, without: str) -> TableCell:
    return TableCell(DASH, notes=(without,)) if value is None else TableCell(f"{value:.2f}", value)
