"""Published weights: list what is known and what is here, fetch, verify."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from benchmark.cli import flags
from benchmark.cli.parser import Action, add_actions
from benchmark.core.errors import UnknownName

if TYPE_CHECKING:
    from benchmark.models.hub import Repository
    from benchmark.models.weights import Weights


def arguments(parser: argparse.ArgumentParser) -> None:
    add_actions(parser, ACTIONS)


def run(options: argparse.Namespace) -> int:
    return ACTIONS[options.action].run(options)


def show_all(options: argparse.Namespace) -> int:
    """List the weights that are known, and which of them are here."""
    from benchmark.cli.printing import print_rows
    from benchmark.models.weights import path_of, unavailable_reason

    rows = [
        {
            "name": weights.name,
            "status": "missing" if unavailable_reason(weights) else "here",
            "file": weights.file,
            "megabytes": weights.megabytes,
            "licence": weights.licence,
            "checksum": weights.checksum or "none known",
            "source": weights.source,
            "path": str(path_of(weights)),
        }
        for weights in by_name().values()
    ]
    print_rows(rows, options.format)
    return 0


def fetch(options: argparse.Namespace) -> int:
    """Download the weights of a method from where they are published, check them, and put them where they are looked for."""
    from benchmark.core.progress import Reporter
    from benchmark.models.downloads import fetch, fetch_repository

    if (repository := _repository(options.name)) is not None:
        print(fetch_repository(repository))
        return 0
    weights = _weights(options.name)
    with Reporter(options.quiet).task(f"fetch {weights.name}") as task:
        path = fetch(weights, task.update)
    print(path)
    return 0


def verify(options: argparse.Namespace) -> int:
    """Check the weights of a method against their checksum and the network they are for."""
    from benchmark.core.errors import Corrupt
    from benchmark.models.weights import verify
    from benchmark.planning.variants import expand_methods, with_variant

    if _repository(options.name) is not None:
        from benchmark import registry

        ((method, variant),) = expand_methods([options.name])
        cls: Any = registry.methods().get(method)
        config = with_variant(cls, cls.Config(), variant, "")
        if reason := cls.unavailable_reason(config):
            raise Corrupt(f"{options.name}: {reason}")
        print(f"all tensors match; {config.sha256}")
        return 0
    print(verify(_weights(options.name)))
    return 0


def by_name() -> dict[str, Weights]:
    """The weights that registered methods name as their class attribute `weights`."""
    from benchmark import registry
    from benchmark.models.weights import Weights

    methods = registry.methods()
    classes = [methods.get(name) for name in methods.names() if not methods.problem(name)]
    declared = [getattr(cls, "weights", None) for cls in classes]
    return {weights.name: weights for weights in declared if isinstance(weights, Weights)}


def _weights(name: str) -> Weights:
    weights = by_name()
    if name not in weights:
        raise UnknownName("weights", name, weights)
    return weights[name]


def _repository(name: str) -> Repository | None:
    """Where the weights of a row that is named by its address are; None of a name that is none."""
    from benchmark import registry
    from benchmark.core.names import parse_address, parse_row

    method, address = parse_row(name)
    cls: Any = registry.methods().get(method) if ":" in name else None
    return cls.repository(parse_address(address)[0]) if cls is not None and hasattr(cls, "repository") else None


def _name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="a method, as in `weights list`, or an address: timm:resnet34, hf:ORG/NAME")
    flags.add_home(parser)


ACTIONS = {
    "list": Action(flags.add_format, show_all),
    "fetch": Action(_name, fetch),
    "verify": Action(_name, verify),
}
