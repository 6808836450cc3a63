"""Dataclasses at the border: to JSON and back, strictly.

Between stages there are types; JSON exists on disk only. A field that is unknown, absent or of another type is an error that
names it, because a silently ignored setting is a wrong result.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from benchmark.core.errors import BenchmarkError

T = TypeVar("T")
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
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    if unknown := sorted(set(data) - set(fields)):
        raise BenchmarkError(f"{cls.__qualname__} has no field {', '.join(unknown)}")
    absent = [name for name, field in fields.items() if name not in data and _required(field)]
    if absent:
        raise BenchmarkError(f"{cls.__qualname__} lacks {', '.join(absent)}")
    hints = _hints(cls)  # type: ignore[arg-type]
    return cls(**{name: _field(cls, name, hints[name], item) for name, item in data.items()})


def _field(cls: type, name: str, hint: Any, item: Any) -> Any:
    try:
        return _value(hint, item)
    except _Mismatch as error:
        raise BenchmarkError(f"{cls.__qualname__}.{name} is {error}") from None


class _Mismatch(Exception):
    """A value of another type than its field has."""

    def __init__(self, item: Any, expected: str):
        text = repr(item)
        super().__init__(f"{text if len(text) < SHOWN else f'{text[:SHOWN]}...'}, not {expected}")


def _value(hint: Any, item: Any) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if item is None and type(None) in arguments:
            return None
        options = [argument for argument in arguments if argument is not type(None)]
        for option in options[:-1]:
            with suppress(_Mismatch):
                return _value(option, item)
        return _value(options[-1], item)
    if dataclasses.is_dataclass(hint):
        return from_json(hint, item)  # type: ignore[arg-type]
    if hint in SCALARS:
        if not isinstance(item, SCALARS[hint]) or (isinstance(item, bool) and hint is not bool):
            raise _Mismatch(item, hint.__name__)
        return item
    expected = next((cls for cls in CONTAINERS if isinstance(origin or hint, type) and issubclass(origin or hint, cls)), None)
    if expected and not isinstance(item, CONTAINERS[expected]):
        raise _Mismatch(item, "an object" if expected is Mapping else "a list")
    if origin is tuple and isinstance(item, list | tuple):
        inner = arguments[:1] * len(item) if arguments[-1:] == (Ellipsis,) else arguments
        if len(inner) != len(item):
            raise _Mismatch(item, f"{len(inner)} values")
        return tuple(_value(part, value) for part, value in zip(inner, item, strict=True))
    if origin is list and isinstance(item, list | tuple):
        return [_value(arguments[0], value) for value in item]
    if isinstance(item, Mapping) and len(arguments) == 2:
        return {key: _value(arguments[1], value) for key, value in item.items()}
    return item


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)
