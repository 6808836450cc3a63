"""CSV files that somebody else may have written: text first, then values of the types that their columns have.

pandas guesses: a method called NA would be a missing value, a column of 1 and 1.0 one kind or the other, a row that is too
short one with gaps. Here nothing is guessed, and a complaint names file, line and column.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmark.core.errors import BenchmarkError
from benchmark.core.text import printable
from benchmark.storage.columns import Field

WHOLE = frozenset({"seed", "episode", "episode_seed", "steps"})  # numbers that are counted, or name something
INTEGER = re.compile(r"[+-]?\d{1,19}")
FLAGS = {"True": True, "true": True, "1": True, "1.0": True, "False": False, "false": False, "0": False, "0.0": False}


@dataclass(frozen=True)
class TextTable:
    """A CSV file as it stands, without control characters; `lines` says where each row began."""

    path: Path
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    lines: Sequence[int]

    def frame(self) -> pd.DataFrame:
        return pd.DataFrame(self.rows, columns=pd.Index(self.header), dtype=object)

    def wrong(self, row: int, column: str, what: str) -> BenchmarkError:
        return BenchmarkError(f"{self.path}, line {self.lines[row]}, column {column}: {what}")


def read_texts(path: Path) -> TextTable:
    if not path.is_file():
        raise BenchmarkError(f"{path} is {'no file' if path.exists() else 'missing'}")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BenchmarkError(f"{path} cannot be read as text: {error}") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        header = [printable(name) for name in next(reader, [])]
        before = reader.line_num
        for row in reader:
            if row:
                rows.append([printable(value) for value in row])
                lines.append(before + 1)
            before = reader.line_num
    except csv.Error as error:
        raise BenchmarkError(f"{path}, line {reader.line_num}: no CSV: {error}") from error
    if not header or len(set(header)) != len(header):
        raise BenchmarkError(f"{path}: its first line does not name each column once")
    for row, line in zip(rows, lines, strict=True):
        if len(row) != len(header):
            raise BenchmarkError(f"{path}, line {line} has {len(row)} fields, its header {len(header)}")
    return TextTable(path, header, rows, lines)


def typed(table: TextTable, fields: Iterable[Field], required: Sequence[str]) -> pd.DataFrame:
    """Those columns that `fields` know, each of its type; what is `required` is there and nowhere empty."""
    known = {field.name: field for field in fields}
    if absent := [name for name in required if name not in table.header]:
        raise BenchmarkError(f"{table.path} lacks the column {', '.join(absent)}")
    columns: dict[str, Any] = {}
    for index, name in enumerate(table.header):
        if name in known:
            texts = [row[index] for row in table.rows]
            if name in required and known[name].empty is None and "" in texts:
                raise table.wrong(texts.index(""), name, "is empty")
            columns[name] = _PARSERS[known[name].type](table, known[name], texts)
    return pd.DataFrame(columns, index=range(len(table.rows)))


def _text(table: TextTable, field: Field, texts: Sequence[str]) -> pd.Series:
    return pd.Series([text if text != "" else field.empty for text in texts], dtype=object)


def _flag(table: TextTable, field: Field, texts: Sequence[str]) -> pd.Series:
    for row, text in enumerate(texts):
        if text and text not in FLAGS:
            raise table.wrong(row, field.name, f"'{text}' is neither True nor False")
    values = [FLAGS.get(text) for text in texts]
    return pd.Series(values, dtype=object if None in values else bool)


def _number(table: TextTable, field: Field, texts: Sequence[str]) -> pd.Series:
    whole = all(INTEGER.fullmatch(text) for text in texts)
    if field.name in WHOLE and not whole:
        row = next(row for row, text in enumerate(texts) if not INTEGER.fullmatch(text))
        raise table.wrong(row, field.name, f"'{texts[row]}' is no whole number")
    if whole:
        numbers = [int(text) for text in texts]
        if all(abs(number) < 2**63 for number in numbers):
            return pd.Series(numbers, dtype=np.int64)
    values = np.empty(len(texts))
    for row, text in enumerate(texts):
        try:
            values[row] = float(text) if text else math.nan
        except ValueError:
            values[row] = math.inf
        if math.isinf(values[row]) or (text and math.isnan(values[row])):
            raise table.wrong(row, field.name, f"'{text}' is no finite number")
    return pd.Series(values)


_PARSERS: dict[str, Callable[[TextTable, Field, Sequence[str]], pd.Series]] = {"text": _text, "flag": _flag, "number": _number}
