"""Recordings without a simulator: a real robot's, or anything else that `python -m benchmark data import` took in.

What is imported is all there is: no episode can be started, so nothing can be scored but predictions on held-out episodes. The
action bounds are the lowest and highest recorded action.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import numpy as np

from benchmark.contracts.data import Episode
from benchmark.contracts.environment import EnvConfig, Environment
from benchmark.contracts.specs import EnvSpec
from benchmark.core.errors import BenchmarkError, Unavailable

EVERYTHING = 1_000_000  # episodes
IMPORT = "python -m benchmark data import SOURCE --name NAME"


@dataclass
class RecordingConfig(EnvConfig):
    """`sha256`, `episodes` and `resolution` are set to what the recording has, so that a key says what was used."""

    demonstrations: str = "recorded"
    episodes: int = EVERYTHING
    name: str = ""  # a recording in the store that BENCHMARK_HOME names, or in runs/
    path: str = ""  # or its folder
    sha256: str = ""  # of its content

    def __post_init__(self) -> None:
        super().__post_init__()
        if (manifest := _manifest(self)) is None:
            return
        digest = _digest(manifest)
        if self.sha256 not in ("", digest):
            raise BenchmarkError(f"{_folder(self)} is not the recording that was planned with: its content has changed")
        self.sha256 = digest
        self.episodes = min(self.episodes, manifest["summary"]["episodes"])
        self.resolution = min(self.resolution, manifest["summary"]["spec"]["resolution"])


class Recording(Environment):
    name = "recording"
    Config = RecordingConfig
    simulated: ClassVar[bool] = False
    presets = {
        "smoke": {"resolution": 32, "episodes": 4},
        "quick": {"resolution": 96, "episodes": 64},
        "standard": {"resolution": 96},
        "paper": {"resolution": 224},
    }
    sources = ("recorded",)
    source = "your own: python -m benchmark data import"

    @classmethod
    def spec(cls, config: RecordingConfig) -> EnvSpec:
        manifest = _manifest(config)
        nothing = {"spec": {"views": (), "proprio_dim": 0, "state_dim": 0, "hz": 1.0}, "action_low": (), "action_high": ()}
        summary: dict[str, Any] = manifest["summary"] if manifest else {**nothing, "max_steps": 1}
        data, low, high = summary["spec"], summary["action_low"], summary["action_high"]
        return EnvSpec(
            views=tuple(data["views"]),
            action_low=tuple(low),
            action_high=tuple(max(up, down + 1e-3) for down, up in zip(low, high, strict=True)),
            proprio_dim=data["proprio_dim"],
            state_names=tuple(f"state/{index}" for index in range(data["state_dim"])),
            hz=data["hz"],
            max_steps=summary["max_steps"],
            metric="action_r2",  # of benchmark/stages/open_loop.py
            metric_range=(0.0, 1.0),
            expert_target=1.0,
        )

    @classmethod
    def unavailable_reason(cls, config: RecordingConfig) -> str | None:
        if not (config.name or config.path):
            return f"no recording is named: {IMPORT}, then env.recording.name=NAME"
        if _manifest(config) is None:
            return f"there is no recording in {_folder(config)}: {IMPORT}"
        return None

    @classmethod
    def import_demonstrations(cls, config: RecordingConfig) -> Iterator[Episode]:
        from benchmark.data.episodes import open_demos
        from benchmark.datasets.source import stretch
        from benchmark.storage.artifacts import Store

        if reason := cls.unavailable_reason(config):
            raise Unavailable(reason)
        folder = _folder(config).absolute()
        demos = open_demos(Store(folder.parent.parent).open(folder.parent.name, folder.name))
        for number, (start, end) in enumerate(pairwise([0, *demos.ends.tolist()])):
            if number == config.episodes:
                return
            frames = np.stack([[stretch(view, config.resolution) for view in views] for views in demos.frames[start:end]])
            columns = (demos.actions[start:end], demos.states[start:end], demos.proprio[start:end])
            yield Episode(frames, *columns, info=demos.infos[number])

    def _no_simulator(self) -> NoReturn:
        raise BenchmarkError("a recording has no simulator: it can be learnt from and predicted, not acted in")

    def reset(self, seed: int) -> None:
        self._no_simulator()

    def step(self, action: np.ndarray) -> bool:
        self._no_simulator()

    def render(self) -> np.ndarray:
        self._no_simulator()

    def proprio(self) -> np.ndarray:
        self._no_simulator()

    def state(self) -> np.ndarray:
        self._no_simulator()

    def score(self) -> dict[str, float]:
        self._no_simulator()

    def expert(self, seed: int) -> NoReturn:
        self._no_simulator()


def _folder(config: RecordingConfig) -> Path:
    if config.path:
        return Path(config.path)
    from benchmark.datasets.recordings import KIND, check_name

    return Path(os.environ.get("BENCHMARK_HOME", "runs")) / KIND / check_name(config.name)


def _manifest(config: RecordingConfig) -> dict[str, Any] | None:
    if not (config.name or config.path):
        return None
    path = _folder(config) / "manifest.json"
    if not path.is_file():
        return None
    try:
        manifest = json.loads(path.read_text())
        manifest["summary"]["spec"], manifest["files"]
    except (ValueError, KeyError, TypeError) as error:
        raise BenchmarkError(f"{path} is not the manifest of a recording: {error!r}") from error
    return manifest


def _digest(manifest: dict[str, Any]) -> str:
    from benchmark.storage.files import key_of

    return key_of({name: entry["sha256"] for name, entry in manifest["files"].items()})
