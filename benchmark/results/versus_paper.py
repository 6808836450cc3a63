"""Ours beside the published numbers: what stands there, whether ours agree, and where the two cannot be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmark.report.table import DASH, TableCell, TableRow
from benchmark.results import published, statistics
from benchmark.results.published import FINETUNE, POLICY, Entry
from benchmark.results.statistics import Interval
from benchmark.results.view import NOT_PLANNED, Column, ResultsView, RowId


@dataclass(frozen=True)
class PaperColumn:
    """A column of scores, and the column of a published table (0: none) that it stands beside."""

    place: Column
    heading: str
    number: int
    column: str

    def entry(self, label: str) -> Entry | None:
        return published.lookup(self.number, label, self.column) if self.number else None


def published_label(number: int, key: RowId) -> str:
    """How the paper calls a row; variants exist in the table of fine-tuning only."""
    if number == 5:
        return FINETUNE.get((key.method, key.variant), str(key))
    return str(key)


def versus_paper(
    frames: ResultsView, slot: PaperColumn, label: str, interval: Interval | None, scale: float = 1
) -> list[TableCell]:
    """The published number and what to think of ours."""
    entry = slot.entry(label)
    if entry is None or entry.value is None:
        return [TableCell(DASH), TableCell(DASH)]
    return [TableCell(entry.text, entry.value), _status(frames, slot, entry, interval, scale)]


def _status(frames: ResultsView, slot: PaperColumn, entry: Entry, interval: Interval | None, scale: float) -> TableCell:
    if interval is None:
        return TableCell(DASH)
    if reasons := differences(frames, slot, entry):
        return TableCell("not comparable", notes=(f"not comparable: {'; '.join(reasons)}",))
    low, high = scale * interval.low, scale * interval.high
    word = "agrees" if low <= entry.value <= high else "above" if low > entry.value else "below"  # type: ignore[operator]
    return TableCell(word, notes=(f"published score: {entry.selection_rule}; its own error is not known",))


def differences(frames: ResultsView, slot: PaperColumn, entry: Entry) -> list[str]:
    """Why ours cannot be held against the published number; empty if it can."""
    rows = frames.cells[(frames.cells.env == slot.place.env) & (frames.cells.policy == slot.place.policy)]
    policy = slot.place.policy if slot.number == 4 else POLICY
    demonstrations, presets = list(dict.fromkeys(rows.demonstrations)), list(dict.fromkeys(rows.preset))
    reasons = []
    if slot.place.policy != policy:
        reasons.append(f"other policy ({slot.place.policy}, published {policy})")
    if demonstrations != [entry.demonstrations]:
        reasons.append(f"other demonstrations ({', '.join(demonstrations)}; published {entry.demonstrations})")
    if presets != ["paper"]:
        reasons.append(f"other budget (preset {', '.join(presets)})")
    if ", shift " in frames.title(slot.place.env):
        reasons.append("visual shift")
    if frames.options.metric != "score" or frames.options.statistic != "mean":
        reasons.append("other metric or statistic")
    return reasons


def only_published(slots: Sequence[PaperColumn], keys: Sequence[RowId], extra: int) -> list[TableRow]:
    """Rows of the paper that ours lack, with `extra` empty cells at the end."""
    absent = (TableCell(DASH, notes=(NOT_PLANNED,)), TableCell(DASH), TableCell(DASH))
    rows = {}
    for number in dict.fromkeys(slot.number for slot in slots if slot.number):
        ours = {published.same(published_label(number, key)) for key in keys}
        for label in published.labels(number):
            if published.same(label) not in ours:
                entries = [slot.entry(label) for slot in slots]
                shown = [(absent[0], TableCell(e.text, e.value), absent[2]) if e and e.text else absent for e in entries]
                rows[label] = TableRow(label, (*(cell for cells in shown for cell in cells), *[TableCell(DASH)] * extra))
    return list(rows.values())


def ordering(frames: ResultsView, slot: PaperColumn, keys: Sequence[RowId]) -> str:
    """Do ours rank the methods as the paper does?"""
    pairs = []
    for key in keys:
        entry = slot.entry(published_label(slot.number, key))
        groups = frames.groups(slot.place, key)
        if groups and entry is not None and entry.value is not None:
            pairs.append((float(np.mean(np.concatenate(groups))), entry.value))
    if len(pairs) < 3:
        return f"{slot.heading}: fewer than three rows in common with the published column."
    ours, theirs = zip(*pairs, strict=True)
    found = statistics.rank_correlation(ours, theirs, frames.options.level)
    between = f"{found.estimate:.2f} [{found.low:.2f}, {found.high:.2f}]"
    return f"{slot.heading}: rank correlation with the published column {between} over {len(pairs)} methods."
