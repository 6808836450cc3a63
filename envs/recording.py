"""Recordings without a simulator: a real robot's, or anything else that `python -m benchmark data import` took in.

What is imported is all there is: no episode can be started, so nothing can be scored but predictions on held-out episodes. The
action bounds are the lowest and highest recorded action.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, make_dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.contracts.data import Episode
from benchmark.contracts.environment import Dataset, EnvConfig
from benchmark.contracts.specs import ActionSpec, EnvSpec
from benchmark.core.errors import Unavailable

EVERYTHING = 1_000_000  # episodes
LOWEST = -1.0  # of the score, see benchmark/stages/open_loop.py
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
        from benchmark.datasets.recorded import pinned

        self.sha256 = pinned(_folder(self), manifest, self.sha256)
        self.episodes = min(self.episodes, manifest["summary"]["episodes"])
        self.resolution = min(self.resolution, manifest["summary"]["spec"]["resolution"])


class Recording(Dataset):
    """`recording:mine` is the recording that was imported under the name `mine`."""

    name = "recording"
    Config = RecordingConfig
    presets = {
        "smoke": {"resolution": 32, "episodes": 4},
        "quick": {"resolution": 96, "episodes": 64},
        "standard": {"resolution": 96},
        "paper": {"resolution": 224},
    }
    source = "your own: python -m benchmark data import"

    @classmethod
    def named(cls, instance: str) -> type[Dataset]:
        return _named(instance)

    @classmethod
    def spec(cls, config: RecordingConfig) -> EnvSpec:
        manifest = _manifest(config)
        nothing = {"spec": {"views": (), "proprio_dim": 0, "state_dim": 0, "hz": 1.0}, "action_low": (), "action_high": ()}
        summary: dict[str, Any] = manifest["summary"] if manifest else {**nothing, "max_steps": 1}
        data, low, high = summary["spec"], summary["action_low"], summary["action_high"]
        meaning = _meaning(manifest) if manifest else {}
        return EnvSpec(
            views=tuple(data["views"]),
            action=ActionSpec(low, tuple(max(up, down + 1e-3) for down, up in zip(low, high, strict=True)), **meaning),
            proprio_dim=data["proprio_dim"],
            state_names=tuple(f"state/{index}" for index in range(data["state_dim"])),
            hz=data["hz"],
            max_steps=summary["max_steps"],
            metric="action_r2",  # of benchmark/stages/open_loop.py
            metric_range=(LOWEST, 1.0),
            expert_target=1.0,
        )

    @classmethod
    def unavailable_reason(cls, config: RecordingConfig) -> str | None:
        if not (config.name or config.path):
            return f"no recording is named: {IMPORT}, then env.recording.name=NAME"
        from benchmark.datasets.recorded import missing

        return missing(_folder(config))

    @classmethod
    def import_demonstrations(cls, config: RecordingConfig) -> Iterator[Episode]:
        from benchmark.datasets.recorded import episodes_in

        if reason := cls.unavailable_reason(config):
            raise Unavailable(reason)
        yield from episodes_in(_folder(config), config.resolution, config.episodes)

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        """A square that moves as its action says, imported like any folder of arrays and images."""
        from PIL import Image

        from benchmark.core.progress import Task
        from benchmark.core.seeds import numpy_rng
        from benchmark.datasets.recordings import import_recording
        from benchmark.storage.artifacts import Store

        rng, side = numpy_rng("recording", "example"), 32
        for episode in range(4):
            images = folder / "source" / f"episode{episode}" / "top"
            images.mkdir(parents=True)
            actions = rng.uniform(-3, 3, (12, 2)).astype(np.float32)
            places = np.clip(16 + np.cumsum(actions, axis=0), 0, side - 4).astype(np.float32)
            for step, (row, column) in enumerate(places.astype(int)):
                frame = np.full((side, side, 3), 20, np.uint8)
                frame[row : row + 4, column : column + 4] = 220
                Image.fromarray(frame).save(images / f"{step:03d}.png")
            np.savez(images.parent / "arrays.npz", actions=actions, states=places, proprio=places)
        stated = {"hz": 10.0, "representation": "delta", "gripper": "none", "units": "pixels"}
        store = Store(folder / "store").prepare()
        return {"path": str(import_recording(store, folder / "source", "example", Task(), stated=stated))}


@cache
def _named(instance: str) -> type[Recording]:
    from benchmark.datasets.recordings import check_name

    config: Any = make_dataclass("RecordingConfig", [("name", str, check_name(instance))], bases=(RecordingConfig,))
    facts = {"name": f"recording:{instance}", "title": f"{instance} (recording)", "Config": config}
    return type("Recording", (Recording,), {**facts, "__module__": Recording.__module__})


def _folder(config: RecordingConfig) -> Path:
    if config.path:
        return Path(config.path)
    from benchmark.datasets.recorded import folder_of

    return folder_of(config.name)


def _meaning(manifest: dict[str, Any]) -> dict[str, Any]:
    from benchmark.datasets.recordings import meaning_of

    return meaning_of(manifest)


def _manifest(config: RecordingConfig) -> dict[str, Any] | None:
    if not (config.name or config.path):
        return None
    from benchmark.datasets.recorded import manifest_in

    return manifest_in(_folder(config))
