"""Run the conformance suite on one method, policy or environment."""

from __future__ import annotations

import argparse
from typing import Any

from benchmark.core.errors import UnknownName
from benchmark.core.names import plain


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="a method, policy or environment")


def run(options: argparse.Namespace) -> int:
    from benchmark import conformance, registry

    kinds: dict[str, registry.Registry[Any]] = {
        "method": registry.methods(),
        "policy": registry.policies(),
        "environment": registry.envs(),
    }
    name = plain(options.name)
    components = [(kind, names.get(name)) for kind, names in kinds.items() if name in names.names()]
    if not components:
        raise UnknownName("component", options.name, [name for names in kinds.values() for name in names.names()])
    passed = True
    for kind, cls in components:
        for result in conformance.check(cls):
            passed &= result.error is None
            print(f"{'ok    ' if result.error is None else 'FAILED'}  {kind} {options.name}: {result.promise}")
            if result.error is not None:
                print(f"        {result.error}")
    return 0 if passed else 1
