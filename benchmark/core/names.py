"""How components and rows are named: `dynamo`, `dynamo:no_forward`; a hyphen is as good as an underscore.

What stands after the colon may also say which network, and after an `@` what is changed of it: `timm:resnet34@random`,
`hf:org/a-name`, `file:my-encoder.safetensors`. An address with a slash or a dot stays as it is written.
"""

from __future__ import annotations


def plain(name: str) -> str:
    return name.replace("-", "_")


def row_label(method: str, variant: str) -> str:
    return f"{method}:{variant}" if variant else method


def parse_row(label: str) -> tuple[str, str]:
    """(method, variant) of a row as a reader writes it."""
    method, _, variant = label.partition(":")
    return plain(method), variant if {"/", "."} & set(variant) else plain(variant)


def parse_address(text: str) -> tuple[str, str]:
    """(address, variant) of what stands after the colon; an `@` inside the name of a file stays there."""
    address, _, variant = text.rpartition("@")
    return (address, variant) if address and variant.isidentifier() else (text, "")
