"""What stands after the colon: a method's own ablations, and what every row of its kind can be asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from benchmark import registry
from benchmark.core.errors import BenchmarkError, UnknownName
from benchmark.core.names import joined_variant, parse_address, parse_row, variant_parts
from benchmark.planning.config.compose import with_setting

FINETUNED = "finetuned"  # the encoder of the plain row goes on learning with the policy: another recipe, not another config
UNTRAINED = "untrained"  # the encoder as the row's pretraining finds it: what the row owes to that, and what to its start
IMAGENET_LR = 0.1  # of that from scratch: 1e-5 for 1e-4 in the DynaMo paper, Tables 9 and 11


def variants_of(cls: Any, config: Any, env: str = "") -> dict[str, dict[str, Any]]:
    """Variant -> what it changes in the method's config. As with presets, `variant/env` adds what holds in one environment."""
    shared: dict[str, dict[str, Any]] = {} if cls.privileged or cls.joint else {FINETUNED: {}}
    if cls.learns:
        shared[UNTRAINED] = {}
        shared["equal_steps"] = {"equal_steps": True}
        if config.backbone == "resnet18":
            shared["imagenet_init"] = {"init": "imagenet", "width": 64, "lr": config.lr * IMAGENET_LR}
    named = {**shared, **{name: values for name, values in cls.variants.items() if "/" not in name}}
    return {name: {**values, **cls.variants.get(f"{name}/{env}", {})} for name, values in named.items()}


def with_variant(cls: Any, config: Any, variant: str, env: str) -> Any:
    """A method's config with a variant applied on top, in an environment: named ones, and settings as `lr=1e-4`."""
    parts = variant_parts(variant)
    if cls.addressed:
        address, named = parse_address(parts[0] if parts else "")
        if not address:
            raise BenchmarkError(f"{cls.name} alone is no row: write {cls.source}")
        config, parts = replace(config, **cls.at(address)), [named, *parts[1:]]
    for part in filter(None, parts):
        field, given, value = part.partition("=")
        if given:
            config = with_setting(config, f"method.{cls.name}", field, value)
            continue
        variants = variants_of(cls, config, env)
        if part not in variants:
            raise UnknownName(f"variant of {cls.name}", part, variants)
        if unknown := sorted(set(variants[part]) - {field.name for field in fields(config)}):
            raise BenchmarkError(f"variant '{part}' of {cls.name} sets unknown fields: {', '.join(unknown)}")
        config = replace(config, **variants[part])
    return config


def is_finetuned(variant: str) -> bool:
    return pretrained_as(variant) != variant


def is_pretrained(cls: Any, variant: str) -> bool:
    """Whether the encoder of a row learns from demonstrations before any policy does."""
    return cls.learns and UNTRAINED not in variant_parts(pretrained_as(variant))


def pretrained_as(variant: str) -> str:
    """The variant whose encoder a fine-tuned one starts from."""
    return joined_variant(part.removesuffix(f"@{FINETUNED}") for part in variant_parts(variant) if part != FINETUNED)


def pretrained_on(rows: Sequence[tuple[str, str]], overrides: Sequence[str]) -> list[str]:
    """The environments besides those of a table whose demonstrations a row is pretrained on."""
    named = [with_variant(registry.methods().get(m), registry.methods().get(m).Config(), v, "").on for m, v in rows]
    keys = (text.partition("=") for text in overrides)
    named += [value for key, _, value in keys if key.startswith("method.") and key.endswith(".on")]
    return list(dict.fromkeys(filter(None, named)))


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
