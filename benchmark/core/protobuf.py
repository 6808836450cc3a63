"""The wire format of protocol buffers: a message is fields one after another, each a number, a wire type and a value
(protobuf.dev, Encoding). ONNX files and records of TensorFlow are such messages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

Buffer = TypeVar("Buffer", bytes, memoryview)  # parts of a view are views, which copies nothing of a large file
LONGEST = 10  # bytes of a number of 64 bits, seven in each
WIRE_VARINT, WIRE_64, WIRE_BYTES, WIRE_32 = 0, 1, 2, 5


def fields(message: Buffer) -> Iterator[tuple[int, Buffer | int]]:
    """(field number, value): a part of the message for everything but varints. Raises ValueError or IndexError."""
    position = 0
    while position < len(message):
        tag, position = varint(message, position)
        wire = tag & 7
        if wire == WIRE_VARINT:
            value, position = varint(message, position)
            yield tag >> 3, value
            continue
        if wire == WIRE_BYTES:
            length, position = varint(message, position)
        elif wire in (WIRE_64, WIRE_32):
            length = 8 if wire == WIRE_64 else 4
        else:
            raise ValueError(f"no field begins with {tag}")
        if position + length > len(message):
            raise ValueError("a field is longer than what holds it")
        yield tag >> 3, message[position : position + length]
        position += length


def part(value: Buffer | int) -> Buffer:
    """A value that is a message, a text or packed numbers."""
    if isinstance(value, int):
        raise ValueError("a number stands where a message belongs")
    return value


def varint(message: bytes | memoryview, position: int) -> tuple[int, int]:
    """A number and where the next thing begins: seven bits a byte, the lowest first; the eighth says that more follow."""
    value = 0
    for shift in range(0, 7 * LONGEST, 7):
        byte = message[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & 0xFFFFFFFFFFFFFFFF, position
    raise ValueError("a number of more than 64 bits")
