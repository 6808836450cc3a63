"""Run the conformance suite on one method, policy or environment.

It runs on a CPU in seconds under `smoke`; with --preset and overrides it is the component of a real run that is checked.
"""

from __future__ import annotations

import argparse
from typing import Any

from benchmark.cli import flags
from benchmark.core.errors import BenchmarkError, UnknownName
from benchmark.core.names import plain


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="a method, policy or environment")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="e.g. env.kitchen.resolution=128")
    parser.add_argument("--preset", default="smoke", help="smoke (default), quick, standard or paper")
    flags.add_home(parser)


def run(options: argparse.Namespace) -> int:
    from benchmark import conformance, registry
    from benchmark.simulation.drawing import choose_backend

    kinds: dict[str, registry.Registry[Any]] = {
        "method": registry.methods(),
        "policy": registry.policies(),
        "environment": registry.envs(),
    }
    name = plain(options.name)
    components = [(kind, names.get(name)) for kind, names in kinds.items() if name in names.names()]
    if not components:
        error = UnknownName("component", options.name, [name for names in kinds.values() for name in names.names()])
        raise BenchmarkError(". ".join([str(error), *filter(None, (names.nameless(name) for names in kinds.values()))]))
    passed = True
    for kind, cls in components:
        if kind == "environment":  # of no others: Triton, which training may import, crashes where Mesa has been first
            choose_backend()
        for result in conformance.check(cls, _config(kind, name, options)):
            passed &= result.error is None
            print(f"{'ok    ' if result.error is None else 'FAILED'}  {kind} {options.name}: {result.promise}")
            for fault in (result.error or "").splitlines():
                print(f"        {fault}")
    return 0 if passed else 1


def _config(kind: str, name: str, options: argparse.Namespace) -> Any:
    """As a run would compose it; methods and policies as in the default environment."""
    from benchmark.planning.config.compose import compose_config
    from benchmark.planning.recipes import defaults

    env = name if kind == "environment" else defaults()["envs"][0]
    chosen = {"method": {"methods": [name]}, "policy": {"policies": [name]}, "environment": {}}[kind]
    config = compose_config(env, preset=options.preset, overrides=options.overrides, **chosen)
    return {"method": config.method, "policy": config.policy, "environment": config.env}[kind][name]
