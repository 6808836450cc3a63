"""Presets and overrides -> one validated `Config` per environment, composed by Hydra.

Hydra stays for its grammar: typed overrides (`joint.rates=[trunk.*:0.5,*:0]`, which YAML cannot read) and lists of values
(planning/sweeps.py). Its launchers are not used, nor its working folders: stages and the store do that.

Later wins: field defaults, the component's preset, its preset for the environment, the stage preset, the environment's own of
it, its protocol, overrides from the user.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import field, fields, is_dataclass, make_dataclass
from functools import partial
from math import isfinite
from typing import Any

from hydra import compose, initialize_config_module
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from benchmark import registry
from benchmark.contracts.presets import PRESETS, component_config
from benchmark.core.errors import BenchmarkError, UnknownName, suggest
from benchmark.core.names import component_of, plain
from benchmark.planning.config.deepspeed import with_deepspeed
from benchmark.planning.config.schema import Config, Schema
from benchmark.planning.request import base_preset

COMPONENTS: dict[str, Callable[[], registry.Registry[Any]]] = {
    "method": registry.methods,
    "policy": registry.policies,
    "env": registry.envs,
}
FLAGS = {"method": "methods", "policy": "policies", "env": "envs"}
BUDGETS = {"pretrain": ("frames", "steps", "epochs"), "fit": ("steps", "epochs")}


def compose_config(
    env: str,
    *,
    preset: str = "quick",
    methods: Iterable[str] = (),
    policies: Iterable[str] = (),
    envs: Iterable[str] = (),
    overrides: Sequence[str] = (),
) -> Config:
    """The configuration of one environment; `envs` are all that the overrides may name."""
    preset = base_preset(preset)
    if preset not in PRESETS:
        raise UnknownName("preset", preset, [*PRESETS, "FILE.yaml"])
    groups = {
        "method": {name: component_config(registry.methods().get(name), preset, env) for name in methods},
        "policy": {name: component_config(registry.policies().get(name), preset, env) for name in policies},
        # `env.recording.resolution=64` is for all recordings of a table; the one that this is about comes last and stays
        "env": {component_of(n): component_config(registry.envs().get(n), preset, component_of(n)) for n in (*envs, env)},
    }
    root = _dataclass("Root", {group: _dataclass(group, nodes) for group, nodes in groups.items()}, base=Schema)
    for text in overrides:
        _check_key(text, root)
    ConfigStore.instance().store(name="schema", node=root)
    try:
        GlobalHydra.instance().clear()
        with initialize_config_module("benchmark.planning.config", version_base="1.3"):
            cls = registry.envs().get(env)
            own = [f"{key}={value}" for key, value in {**cls.stage_presets.get(preset, {}), **cls.protocol}.items()]
            given = [text for more in (own, overrides) for text in (*_clear_other_budgets(more), *more)]
            composed = compose("root", overrides=[f"preset={preset}", *given])
        plain: Any = _objects(composed, groups)
    except (HydraException, OmegaConfBaseException) as error:
        raise BenchmarkError(_one_sentence(error, overrides)) from error
    values: dict[str, Any] = {f.name: getattr(plain, f.name) for f in fields(Schema)}
    for group, nodes in groups.items():
        values[group] = {name: getattr(getattr(plain, group), name) for name in nodes}
    values["env"] |= {env: values["env"][component_of(env)]}
    _require_finite(values, "")
    if values["machine"].deepspeed is not None:
        values["machine"] = with_deepspeed(values["machine"])
    return Config(**values)


def with_setting(config: Any, path: str, name: str, text: str) -> Any:
    """A component's config with one field set, as an override would."""
    _check_key(f"{name}={text}", config, path)
    try:
        value = OverridesParser.create().parse_override(f"{name}={text}").value()
        changed = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(config), {name: value}))
    except (HydraException, OmegaConfBaseException) as error:
        raise BenchmarkError(f"{path}.{name}={text}: {_one_sentence(error, [])}") from error
    _require_finite(changed, f"{path}.")
    return changed


def _objects(composed: Any, groups: Mapping[str, Mapping[str, Any]]) -> Any:
    """What was composed, as dataclasses. What a component refuses is said with its name."""
    try:
        return OmegaConf.to_object(composed)
    except BenchmarkError as error:
        for group, nodes in groups.items():
            for name in nodes:
                try:
                    OmegaConf.to_object(composed[group][name])
                except BenchmarkError as own:
                    raise BenchmarkError(f"{group}.{name}: {own}") from error
        raise


def _require_finite(values: Any, path: str) -> None:
    """JSON has no word for the others, and a key is made of JSON."""
    parts = values if isinstance(values, dict) else {f.name: getattr(values, f.name) for f in fields(values)}
    for name, value in parts.items():
        if is_dataclass(value) or isinstance(value, dict):
            _require_finite(value, f"{path}{name}.")
        for number in value if isinstance(value, list | tuple) else (value,):
            if isinstance(number, float) and not isfinite(number):
                raise BenchmarkError(f"{path}{name} must be a finite number, not {number}")


def _dataclass(name: str, values: dict[str, Any], base: type = object) -> Any:
    """An instance of a new dataclass with one typed field per value: what Hydra checks overrides against."""
    specs: list[Any] = [(key, type(value), field(default_factory=partial(copy, value))) for key, value in values.items()]
    return make_dataclass(name, specs, bases=(base,))()


def _check_key(text: str, root: Any, path: str = "the configuration") -> None:
    """An override must read key=value and name something that exists."""
    if not re.fullmatch(r"[A-Za-z_][\w.\-]*=.*", text, re.S):
        kinds = [group for group, names in COMPONENTS.items() if plain(text.partition(":")[0]) in names().names()]
        advice = f"; several names have commas between them: --{FLAGS[kinds[0]]} NAME,{text}" if kinds else ""
        raise BenchmarkError(f"'{text}' is not an override; write key=value, e.g. pretrain.epochs=4{advice}")
    key = text.split("=", 1)[0]
    if key == "preset":
        raise BenchmarkError("choose the preset with --preset, not with an override")
    node = root
    for part in key.split("."):
        known = [f.name for f in fields(node)] if is_dataclass(node) else []
        if part not in known:
            if path in COMPONENTS and plain(part) in COMPONENTS[path]().names():
                raise BenchmarkError(f"{key} sets something of {part}, of which nothing is planned: add it to --{FLAGS[path]}")
            message = f"unknown key '{key}': {path} has no '{part}'{suggest(part, known)}"
            raise BenchmarkError(f"{message} Known: {', '.join(known)}" if known else message)
        node, path = getattr(node, part), part


def _clear_other_budgets(overrides: Sequence[str]) -> list[str]:
    """A budget given by hand replaces the one of the preset, in whatever unit that was."""
    given = {text.split("=", 1)[0] for text in overrides}
    cleared = []
    for stage, units in BUDGETS.items():
        if any(f"{stage}.{unit}" in given for unit in units):
            cleared += [f"{stage}.{unit}=null" for unit in units if f"{stage}.{unit}" not in given]
    return cleared


def _one_sentence(error: Exception, overrides: Sequence[str]) -> str:
    """The innermost cause in one line, with the override it is about."""
    while error.__cause__ is not None:
        error = error.__cause__  # type: ignore[assignment]
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    about = next((text for text in overrides if any(text.split("=", 1)[0] in line for line in lines)), "")
    return f"{about}: {lines[0]}" if about else lines[0]
