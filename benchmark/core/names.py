"""How components and rows are named: `dynamo`, `dynamo:no_forward`; a hyphen is as good as an underscore.

A variant may have several parts, named ones and settings: `dynamo:no_forward+lr=1e-4`. What stands after the colon may also say
which network, and after an `@` what is changed of it: `timm:resnet34@random`, `hf:org/a-name`, `file:my-encoder.safetensors`.
An address with a slash or a dot stays as it is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable


def plain(name: str) -> str:
    return name.replace("-", "_")


def component_of(env: str) -> str:
    """The component behind an environment's name: `recording` of `recording:kitchen_real`."""
    return plain(env.partition(":")[0])


def plain_name(name: str) -> str:
    """A component's name as we write it; what stands after a colon stays as it is."""
    component, colon, instance = name.partition(":")
    return plain(component) + colon + instance


def row_label(method: str, variant: str) -> str:
    return f"{method}:{variant}" if variant else method


def parse_row(label: str) -> tuple[str, str]:
    """(method, variant) of a row as a reader writes it."""
    method, _, variant = label.partition(":")
    return plain(method), joined_variant(map(_plain_part, variant_parts(variant)))


def parse_address(text: str) -> tuple[str, str]:
    """(address, variant) of the first part of a variant; an `@` inside the name of a file stays there."""
    address, _, variant = text.rpartition("@")
    return (address, variant) if address and variant.isidentifier() else (text, "")


def variant_parts(variant: str) -> list[str]:
    """What is joined by '+' in it; that of a number, 1e+3, joins nothing."""
    return re.split(r"\+(?=[A-Za-z_])", variant) if variant else []


def joined_variant(parts: Iterable[str]) -> str:
    return "+".join(filter(None, parts))


def _plain_part(part: str) -> str:
    name, given, value = part.partition("=")  # a hyphen in a value is a minus
    if not given and {"/", "."} & set(part):
        return part
    return plain(name) + given + value
