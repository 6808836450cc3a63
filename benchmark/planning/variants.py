"""What stands after the colon: a method's own ablations, and what every row of its kind can be asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from benchmark import registry
from benchmark.core.errors import BenchmarkError, UnknownName
from benchmark.core.names import parse_address, parse_row

FINETUNED = "finetuned"  # the encoder of the plain row goes on learning with the policy: another recipe, not another config
IMAGENET_LR = 0.1  # of that from scratch: 1e-5 for 1e-4 in the DynaMo paper, Tables 9 and 11


def is_finetuned(variant: str) -> bool:
    return variant.rpartition("@")[2] == FINETUNED


def variants_of(cls: Any, config: Any, env: str = "") -> dict[str, dict[str, Any]]:
    """Variant -> what it changes in the method's config. As with presets, `variant/env` adds what holds in one environment."""
    shared: dict[str, dict[str, Any]] = {} if cls.privileged or cls.joint else {FINETUNED: {}}
    if cls.learns:
        shared["equal_steps"] = {"equal_steps": True}
        if config.backbone == "resnet18":
            shared["imagenet_init"] = {"init": "imagenet", "width": 64, "lr": config.lr * IMAGENET_LR}
    named = {**shared, **{name: values for name, values in cls.variants.items() if "/" not in name}}
    return {name: {**values, **cls.variants.get(f"{name}/{env}", {})} for name, values in named.items()}


def with_variant(cls: Any, config: Any, variant: str, env: str) -> Any:
    """A method's config with a named variant applied on top, in an environment."""
    if cls.addressed:
        address, variant = parse_address(variant)
        if not address:
            raise BenchmarkError(f"{cls.name} alone is no row: write {cls.source}")
        config = replace(config, **cls.at(address))
    if not variant:
        return config
    variants = variants_of(cls, config, env)
    if variant not in variants:
        raise UnknownName(f"variant of {cls.name}", variant, variants)
    return replace(config, **variants[variant])


def expand_methods(names: Sequence[str]) -> list[tuple[str, str]]:
    """(method, variant) pairs in the order of the request, without repetitions."""
    pairs: list[tuple[str, str]] = []
    for name in names:
        method, variant = parse_row(name)
        if method == "all" and not variant:
            pairs += [(name, "") for name in registry.methods().names() if not _addressed(name)]
            continue
        cls = registry.methods().get(method)
        if variant == "all" and not cls.addressed:
            pairs += [(cls.name, ""), *((cls.name, v) for v in variants_of(cls, cls.Config()))]
        else:
            with_variant(cls, cls.Config(), variant, "")
            pairs.append((cls.name, variant))
    return list(dict.fromkeys(pairs))


def _addressed(name: str) -> bool:
    return registry.methods().problem(name) is None and registry.methods().get(name).addressed
