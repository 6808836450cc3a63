"""Files that people write: a saved request (`--config`), and a preset of one's own (`--preset FILE.yaml`).

    methods: [random, dynamo]                 preset: quick          # what it is based on
    envs: [pusht]                             settings:
    seeds: 3                                    pretrain: {frames: 50000}
    preset: quick                               fit: {steps: 5000}
    settings:                                   method: {dynamo: {lr: 3e-4}}
      method: {dynamo: {lr: [1e-4, 3e-4]}}

Settings are overrides written as a tree, or as a list of KEY=VALUE. A list of values of a method's setting makes a row of each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import yaml

from benchmark.contracts.presets import PRESETS
from benchmark.core.errors import BenchmarkError, UnknownName
from benchmark.core.typed import from_json, to_json
from benchmark.planning.request import Request, own_preset

SETTINGS = "settings"
SUFFIXES = (".yaml", ".yml")
NAMES = ("methods", "envs", "policies")


class _Loader(yaml.SafeLoader):
    """Numbers stay as they are written: a row is named by its value, and YAML 1.1 takes 1e-4 for a word anyway."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":float", ":timestamp"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_request(path: Path) -> Request:
    """What `write_request` wrote, or a person: what is not said has its default."""
    content = _read(path, {field.name for field in fields(Request)} - {"overrides"} | {SETTINGS})
    settings = _settings(path, content.pop(SETTINGS, {}))
    for name in NAMES:
        if isinstance(content.get(name), str):
            content[name] = content[name].split(",")
    for name in ("seeds", "first_seed"):
        if not isinstance(content.get(name, 1), int):
            raise BenchmarkError(f"{path}: {name} is a whole number, not {content[name]!r}")
    if str(content.get("preset", "")).endswith(SUFFIXES):
        content["preset"], content["preset_settings"] = read_preset(path.parent / content["preset"])
    try:
        return from_json(Request, {**content, "overrides": settings})
    except BenchmarkError as error:
        raise BenchmarkError(f"{path}: {error}") from error


def request_after(base: Request, given: Mapping[str, Any]) -> Request:
    """A request that says what is given, where that is not None, and else what `base` does. Of its settings those stay that
    still concern somebody, unless others are given."""
    said = {name: value for name, value in given.items() if value is not None}
    if "seeds" in said:
        said.setdefault("first_seed", 0)  # three seeds are the same three, whichever were chosen before
    if "preset" in said:
        said["preset"], said["preset_settings"] = preset_named(str(said["preset"]))
    wanted = replace(base, **said)
    return wanted if "overrides" in said else replace(wanted, overrides=wanted.concerned(base.overrides))


def write_request(path: Path, request: Request) -> None:
    content = to_json(request)
    for name in ("overrides", *(() if request.preset_settings else ("preset_settings",))):
        del content[name]
    text = yaml.safe_dump({**content, SETTINGS: list(request.overrides)}, sort_keys=False, allow_unicode=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"# python -m benchmark run --config {path.name}\n{text}")


def preset_named(name: str) -> tuple[str, Sequence[str]]:
    """What a person calls a preset, one of ours or a file -> its name and its settings as overrides."""
    if name.endswith(SUFFIXES):
        return read_preset(Path(name))
    if "+" in name:
        raise BenchmarkError(f"preset {name} is one of your own; give its file, {name.partition('+')[2]}.yaml")
    return name, ()


def preset_shown(name: str) -> str:
    """What tables call what a person calls a preset: one of ours, a file, or what a table says."""
    return read_preset(Path(name))[0] if name.endswith(SUFFIXES) else name


def read_preset(path: Path) -> tuple[str, list[str]]:
    """The name that tables show, `quick+mine`, and its settings as overrides, which those of a command come after."""
    content = _read(path, {"preset", SETTINGS})
    base = str(content.get("preset", "quick"))
    if base not in PRESETS:
        raise UnknownName(f"preset in {path}:", base, PRESETS)
    return own_preset(base, path.stem), _settings(path, content.get(SETTINGS, {}))


def _read(path: Path, keys: set[str]) -> dict[str, Any]:
    try:
        content = yaml.load(path.read_text(), _Loader)
    except OSError as error:
        raise BenchmarkError(f"{path} cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise BenchmarkError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, Mapping):
        raise BenchmarkError(f"{path} holds no settings: write KEY: VALUE lines")
    for key in content:
        if key not in keys:
            raise UnknownName(f"key in {path}:", str(key), keys)
    return dict(content)


def _settings(path: Path, settings: Any) -> list[str]:
    if isinstance(settings, Mapping):
        return list(_flat(settings))
    if isinstance(settings, list) and all(isinstance(text, str) and "=" in text for text in settings):
        return settings
    raise BenchmarkError(f"{path}: settings are a tree of keys and values, or a list of KEY=VALUE")


def _flat(tree: Mapping[Any, Any], before: str = "") -> Iterator[str]:
    for key, value in tree.items():
        name = f"{before}{key}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}.")
        elif isinstance(value, list) and name.startswith("method."):
            yield f"{name}={','.join(map(_text, value))}"
        else:
            yield f"{name}={_text(value)}"


def _text(value: Any) -> str:
    """As an override has it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"[{','.join(map(_text, value))}]" if isinstance(value, list) else str(value)
