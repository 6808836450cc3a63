"""Several recordings as one data set: the same cameras by what they show, one action space, actions in its own deviations.

- Actions: see action_space.py. Movements are centred and divided by their standard deviation over the recording: robots move at
  3 Hz by centimetres or at 30 Hz by millimetres, and neither is to be the louder one. The statistics are kept (`Part`).
- Cameras: `wrist` is one whose name says so, `primary` the first other one. A view that a recording lacks is black, and its
  episodes say so (`absent_views`).
- Language: a recording without embeddings has zeros where another one has some, and its episodes say so (`language_absent`).
- Proprioception and state mean something else on each robot and are left out. A step is a step of the recording's own rate.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.contracts.data import Episode, Part
from benchmark.core.errors import BenchmarkError
from benchmark.data.episodes import Demos
from benchmark.datasets.action_space import MOTION, ActionMap, action_map, statistics
from benchmark.datasets.recorded import folder_of, manifest_in, missing
from benchmark.datasets.recordings import digest, meaning_of, open_folder
from benchmark.datasets.source import stretch
from benchmark.storage.files import key_of

VIEWS = ("primary", "wrist")
WRIST = re.compile(r"wrist|hand|gripper", re.IGNORECASE)  # `eye_in_hand_rgb`, `rgb_gripper`, `hand_image`, `wrist225_image`
DESCRIBE = "python -m benchmark data describe"


@dataclass(frozen=True)
class RecordedPart:
    """A part of a mixture before it is mixed: a recording as its manifest describes it."""

    name: str
    folder: Path
    episodes: int
    transitions: int  # of all its episodes
    longest: int
    hz: float
    units: str
    cameras: dict[str, int]  # of VIEWS -> which of its own views
    actions: ActionMap
    sha256: str  # of its content and of what it says of its actions

    def demos(self) -> Demos:
        return _opened(self.folder, self.sha256)


@lru_cache(maxsize=128)
def _opened(folder: Path, sha256: str) -> Demos:
    """Its checksums are compared once in a process, as long as its manifest says the same."""
    return open_folder(folder)


def place_of(part: str) -> Path:
    """A recording by name, or its folder."""
    return Path(part) if "/" in part else folder_of(part)


def unmixable(parts: Sequence[str], cameras: Sequence[str]) -> list[str]:
    """Why some of the recordings cannot be mixed, each with what fixes it."""
    reasons = []
    for part in parts:
        folder = place_of(part)
        if (reason := missing(folder)) is not None:
            reasons.append(reason)
            continue
        try:
            recorded_part(part, cameras)
        except BenchmarkError as error:
            reasons.append(str(error))
    return reasons


def recorded_part(part: str, cameras: Sequence[str] = ()) -> RecordedPart:
    """What is known of a recording without reading it."""
    folder = place_of(part)
    manifest = manifest_in(folder)
    assert manifest is not None
    summary, said = manifest["summary"], meaning_of(manifest)
    spec, name = summary["spec"], folder.name
    try:
        mapped = action_map(said, spec["action_dim"], spec["hz"])
    except BenchmarkError as error:
        raise BenchmarkError(f"{name} cannot be mixed: {error}. Fix it with: {DESCRIBE} {name} --FLAG VALUE") from error
    return RecordedPart(
        name=name,
        folder=folder,
        episodes=summary["episodes"],
        transitions=summary["frames"],
        longest=summary["max_steps"],
        hz=spec["hz"],
        units=said.get("units", "unknown"),
        cameras=_cameras(name, spec["views"], cameras),
        actions=mapped,
        sha256=key_of({"content": digest(manifest), "actions": said}),
    )


def _cameras(name: str, views: Sequence[str], stated: Sequence[str]) -> dict[str, int]:
    """By name, unless stated as PART:VIEW:CAMERA."""
    wrists = [number for number, view in enumerate(views) if WRIST.search(view)]
    others = [number for number in range(len(views)) if number not in wrists]
    chosen = {view: numbers[0] for view, numbers in zip(VIEWS, (others, wrists), strict=True) if numbers}
    for part, view, camera in (text.split(":") for text in stated):
        if part == name:
            if camera not in views:
                raise BenchmarkError(f"env.mixture.cameras: {name} has no '{camera}', but {', '.join(views)}")
            chosen[view] = views.index(camera)
    return chosen


def parts_of(recordings: Sequence[RecordedPart], views: Sequence[str], most: int, shares: Sequence[float] | None) -> list[Part]:
    """What is kept of each in the mixture; reads actions only."""
    return [
        _part(one, views, min(most, one.episodes), None if shares is None else shares[number])
        for number, one in enumerate(recordings)
    ]


def _part(one: RecordedPart, views: Sequence[str], episodes: int, share: float | None) -> Part:
    demos = one.demos()
    mean, spread = statistics([one.actions.motion(demos.actions[: demos.ends[episodes - 1]])])
    notes = [f"no {view} camera: black" for view in views if view not in one.cameras]
    notes += [f"no {name}: zero" for name, given in zip(MOTION, one.actions.given, strict=False) if not given]
    notes += [] if one.actions.given[-1] else ["no gripper: closed"]
    notes += [] if _language(demos) is not None else ["no language: zeros"]
    return Part(
        name=one.name,
        episodes=episodes,
        share=share,
        shift=(*mean.tolist(), 0.0),
        scale=(*spread.tolist(), 1.0),
        given=one.actions.given,
        units=one.units if one.actions.factor == 1 else f"({one.units}) / {one.hz:g}",
        notes=tuple(notes),
    )


def episodes_of(
    recordings: Sequence[RecordedPart], parts: Sequence[Part], views: Sequence[str], side: int
) -> Iterator[Episode]:
    """Part after part, one episode in memory at a time."""
    opened = [one.demos() for one in recordings]
    width = _language_width(recordings, opened)
    for one, part, demos in zip(recordings, parts, opened, strict=True):
        for number, (start, end) in enumerate(pairwise([0, *demos.ends[: part.episodes].tolist()])):
            yield _episode(one, part, demos, number, slice(start, end), views, side, width)


def _episode(
    one: RecordedPart, part: Part, demos: Demos, number: int, rows: slice, views: Sequence[str], side: int, width: int
) -> Episode:
    recorded, info = demos.actions[rows], demos.infos[number]
    frames = np.zeros((len(recorded), len(views), side, side, 3), np.uint8)
    absent = info.get("absent_views", ())
    dark = [view for view in views if view not in one.cameras or demos.spec.views[one.cameras[view]] in absent]
    for index, view in enumerate(views):
        if view not in dark:
            for step, frame in enumerate(demos.frames[rows, one.cameras[view]]):
                frames[step, index] = stretch(frame, side)
    motion = (one.actions.motion(recorded) - part.shift[:-1]) / part.scale[:-1]
    actions = np.concatenate([motion, one.actions.grip(recorded)[:, None]], axis=1).astype(np.float32)
    kept: dict[str, Any] = {"data_set": part.name, **{name: info[name] for name in ("task", "language") if name in info}}
    if dark:
        kept["absent_views"] = dark
    if width and "language" not in info:
        kept |= {"language": [0.0] * width, "language_absent": True}
    nothing = np.zeros((len(recorded), 0), np.float32)
    return Episode(frames, actions, nothing, nothing, info=kept)


def _language_width(recordings: Sequence[RecordedPart], opened: Sequence[Demos]) -> int:
    """Of the embeddings, which are of one kind or cannot be mixed; 0 without any."""
    found = {one.name: _language(demos) for one, demos in zip(recordings, opened, strict=True)}
    widths = {name: width for name, width in found.items() if width is not None}
    if len(set(widths.values())) > 1:
        told = ", ".join(f"{width} in {name}" for name, width in widths.items())
        raise BenchmarkError(f"embeddings of language have different lengths ({told}): they are of different encoders")
    return next(iter(widths.values()), 0)


def _language(demos: Demos) -> int | None:
    return next((len(info["language"]) for info in demos.infos if "language" in info), None)
