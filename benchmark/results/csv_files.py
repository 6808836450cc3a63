"""CSV files that somebody else may have written: text first, then values of the types that their columns have.

pandas guesses: a method called NA would be a missing value, a column of 1 and 1.0 one kind or the other, a row that is too
short one with gaps. Here nothing is guessed, and a complaint names file, line and column.
"""

from __future__ import annotations

import csv
import io
import math
import re
from codecs import BOM_UTF8
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
class TextColumn:
    """A column by its different texts, of which a million rows have few, and which of them each row has."""

    texts: Sequence[str]
    index: np.ndarray

    def __getitem__(self, row: int) -> str:
        return self.texts[self.index[row]]

    def first(self, wrong: Sequence[bool]) -> int:
        """The first row whose text is a wrong one, of which there is one."""
        return int(np.asarray(wrong)[self.index].argmax())


@dataclass(frozen=True)
class TextTable:
    """A CSV file as it stands, without control characters; `lines` says where each row began."""

    path: Path
    header: Sequence[str]
    columns: Sequence[TextColumn]
    lines: Sequence[int]

    def frame(self) -> pd.DataFrame:
        columns = {name: _text(column.texts)[column.index] for name, column in zip(self.header, self.columns, strict=True)}
        return pd.DataFrame(columns, index=range(len(self.lines)), dtype=object)

    def wrong(self, row: int, column: str, what: str) -> BenchmarkError:
        return BenchmarkError(f"{self.path}, line {self.lines[row]}, column {column}: {what}")


def read_texts(path: Path) -> TextTable:
    if not path.is_file():
        raise BenchmarkError(f"{path} is {'no file' if path.exists() else 'missing'}")
    try:
        data = path.read_bytes().removeprefix(BOM_UTF8)
        data.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise BenchmarkError(f"{path} cannot be read as text: {error}") from error
    return _plain(path, data) or _quoted(path, data)


def _plain(path: Path, data: bytes) -> TextTable | None:
    """A file without quotes and empty lines, whose lines have equally many fields: a million rows take seconds."""
    first, _, body = data.partition(b"\n")
    header = first.decode().split(",")
    if any(mark in data for mark in (b'"', b"\r", b"\0", b"\n\n")) or not first or not body:
        return None
    if {line.count(b",") for line in body.splitlines()} != {len(header) - 1}:
        return None
    frame = pd.read_csv(io.BytesIO(body), header=None, dtype=object, na_filter=False, quoting=csv.QUOTE_NONE, low_memory=False)
    columns = [
        TextColumn([printable(text) for text in texts], index) for index, texts in map(pd.factorize, map(frame.get, frame))
    ]
    return TextTable(path, _names(path, header), columns, range(2, len(frame) + 2))


def _quoted(path: Path, data: bytes) -> TextTable:
    """Any file, field by field; what is wrong with it is said here."""
    reader = csv.reader(io.StringIO(data.decode(), newline=""), strict=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        header = next(reader, [])
        before = reader.line_num
        for row in reader:
            if row:
                rows.append(row)
                lines.append(before + 1)
            before = reader.line_num
    except csv.Error as error:
        raise BenchmarkError(f"{path}, line {reader.line_num}: no CSV: {error}") from error
    header = _names(path, header)
    for row, line in zip(rows, lines, strict=True):
        if len(row) != len(header):
            raise BenchmarkError(f"{path}, line {line} has {len(row)} fields, its header {len(header)}")
    columns = []
    for values in zip(*rows, strict=True) if rows else [()] * len(header):
        numbers = {text: number for number, text in enumerate(dict.fromkeys(values))}
        columns.append(TextColumn([printable(text) for text in numbers], np.array([numbers[text] for text in values], int)))
    return TextTable(path, header, columns, lines)


def _names(path: Path, header: Sequence[str]) -> list[str]:
    names = [printable(name) for name in header]
    if not names or len(set(names)) != len(names):
        raise BenchmarkError(f"{path}: its first line does not name each column once")
    return names


def typed(table: TextTable, fields: Iterable[Field], required: Sequence[str]) -> pd.DataFrame:
    """Those columns that `fields` know, each of its type; what is `required` is there and nowhere empty."""
    known = {field.name: field for field in fields}
    if absent := [name for name in required if name not in table.header]:
        raise BenchmarkError(f"{table.path} lacks the column {', '.join(absent)}")
    columns: dict[str, Any] = {}
    for name, column in zip(table.header, table.columns, strict=True):
        if name in known:
            field = known[name]
            empty = [text == "" for text in column.texts]
            if name in required and field.empty is None and any(empty):
                raise table.wrong(column.first(empty), name, "is empty")
            values = _PARSERS[field.type](table, field, column)[column.index]
            columns[name] = pd.Series(values, dtype=values.dtype)  # texts stay objects, None among them
    return pd.DataFrame(columns, index=range(len(table.lines)))


def _text(texts: Sequence[str | None]) -> np.ndarray:
    values = np.empty(len(texts), dtype=object)
    values[:] = texts
    return values


def _texts(table: TextTable, field: Field, column: TextColumn) -> np.ndarray:
    return _text([text if text != "" else field.empty for text in column.texts])


def _flags(table: TextTable, field: Field, column: TextColumn) -> np.ndarray:
    wrong = [text != "" and text not in FLAGS for text in column.texts]
    if any(wrong):
        row = column.first(wrong)
        raise table.wrong(row, field.name, f"'{column[row]}' is neither True nor False")
    values = [FLAGS.get(text) for text in column.texts]
    return np.array(values, dtype=object if None in values else bool)


def _numbers(table: TextTable, field: Field, column: TextColumn) -> np.ndarray:
    broken = [INTEGER.fullmatch(text) is None for text in column.texts]
    if field.name in WHOLE and any(broken):
        row = column.first(broken)
        raise table.wrong(row, field.name, f"'{column[row]}' is no whole number")
    if not any(broken):
        numbers = [int(text) for text in column.texts]
        if all(abs(number) < 2**63 for number in numbers):
            return np.array(numbers, dtype=np.int64)
    values = np.array([_number(text) for text in column.texts], dtype=float)
    wrong = np.isinf(values) | (np.isnan(values) & np.array([text != "" for text in column.texts], dtype=bool))
    if wrong.any():
        row = column.first(list(wrong))
        raise table.wrong(row, field.name, f"'{column[row]}' is no finite number")
    return values


def _number(text: str) -> float:
    try:
        return float(text) if text else math.nan
    except ValueError:
        return math.inf


_PARSERS: dict[str, Callable[[TextTable, Field, TextColumn], np.ndarray]] = {
    "text": _texts,
    "flag": _flags,
    "number": _numbers,
}
