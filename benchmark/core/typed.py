"""Dataclasses at the border: to JSON and back, strictly.

Between stages there are types; JSON exists on disk only. A field that is unknown, absent or of another type is an error that
names it, because a silently ignored setting is a wrong result.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from benchmark.core.errors import BenchmarkError

T = TypeVar("T")
Reader = Callable[[Any], Any]
SHOWN = 40  # letters of a value in a message
SCALARS: dict[Any, Any] = {str: str, int: int, float: (int, float), bool: bool}  # a float may be written without a point
CONTAINERS: dict[type, Any] = {Mapping: Mapping, tuple: (list, tuple), list: (list, tuple)}


def to_json(value: Any) -> Any:
    """Dataclasses become objects, tuples lists."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    return value


def from_json(cls: type[T], data: Any) -> T:
    """An instance of a dataclass from what `to_json` made of one."""
    if not isinstance(data, Mapping):
        raise BenchmarkError(f"{cls.__qualname__} is an object, not {data!r}")
    readers, required = _shape(cls)  # type: ignore[arg-type]
    if unknown := sorted(data.keys() - readers.keys()):
        raise BenchmarkError(f"{cls.__qualname__} has no field {', '.join(unknown)}")
    if absent := [name for name in required if name not in data]:
        raise BenchmarkError(f"{cls.__qualname__} lacks {', '.join(absent)}")
    return cls(**{name: _field(cls, name, readers[name], item) for name, item in data.items()})


def _field(cls: type, name: str, read: Reader, item: Any) -> Any:
    try:
        return read(item)
    except _Mismatch as error:
        raise BenchmarkError(f"{cls.__qualname__}.{name} is {error}") from None


class _Mismatch(Exception):
    """A value of another type than its field has."""

    def __init__(self, item: Any, expected: str):
        text = repr(item)
        super().__init__(f"{text if len(text) < SHOWN else f'{text[:SHOWN]}...'}, not {expected}")


@cache
def _shape(cls: type) -> tuple[Mapping[str, Reader], Sequence[str]]:
    """How each field of a dataclass is read, and which have to be there. Thousands of manifests have the same."""
    hints, fields = get_type_hints(cls), dataclasses.fields(cls)
    missing = dataclasses.MISSING
    required = [field.name for field in fields if field.default is missing and field.default_factory is missing]
    return {field.name: _reader(hints[field.name]) for field in fields}, required


def _reader(hint: Any) -> Reader:
    """Reads values of a type."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _one_of([_reader(argument) for argument in arguments if argument is not type(None)], type(None) in arguments)
    if dataclasses.is_dataclass(hint):
        return lambda item: from_json(hint, item)  # type: ignore[arg-type]
    if hint in SCALARS:
        return _scalar(hint)
    expected = next((cls for cls in CONTAINERS if isinstance(origin or hint, type) and issubclass(origin or hint, cls)), None)
    if expected is None:
        return lambda item: item
    inner = [_reader(argument) for argument in arguments if argument is not Ellipsis]
    if expected is tuple and arguments[-1:] != (Ellipsis,) and origin is tuple:
        return _fixed(inner)
    return _container(expected, inner if origin else [])


def _one_of(options: Sequence[Reader], optional: bool) -> Reader:
    def read(item: Any) -> Any:
        if item is None and optional:
            return None
        for option in options[:-1]:
            with suppress(_Mismatch):
                return option(item)
        return options[-1](item)

    return read


def _scalar(hint: type) -> Reader:
    accepted = SCALARS[hint]

    def read(item: Any) -> Any:
        if not isinstance(item, accepted) or (isinstance(item, bool) and hint is not bool):
            raise _Mismatch(item, hint.__name__)
        return item

    return read


def _container(expected: type, inner: Sequence[Reader]) -> Reader:
    """An object, or a list of any length; as it is where nothing is said of what is in it."""
    accepted, words = CONTAINERS[expected], "an object" if expected is Mapping else "a list"

    def read(item: Any) -> Any:
        if not isinstance(item, accepted):
            raise _Mismatch(item, words)
        if not inner:
            return item
        if expected is Mapping:
            return {key: inner[1](value) for key, value in item.items()}
        return expected(inner[0](value) for value in item)

    return read


def _fixed(parts: Sequence[Reader]) -> Reader:
    def read(item: Any) -> Any:
        if not isinstance(item, list | tuple):
            raise _Mismatch(item, "a list")
        if len(item) != len(parts):
            raise _Mismatch(item, f"{len(parts)} values")
        return tuple(part(value) for part, value in zip(parts, item, strict=True))

    return read
