"""What is in a recording or in a source that is not imported yet: counts, shapes, rates, ranges, and a sheet of images."""

from __future__ import annotations

import os
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmark.contracts.data import ARRAYS, DataSpec, check_episode
from benchmark.core.errors import BenchmarkError
from benchmark.data.episodes import Demos, open_demos
from benchmark.datasets.budget import Limits
from benchmark.datasets.files import reading
from benchmark.datasets.reader import Reader
from benchmark.datasets.recordings import KIND, find, meaning_of
from benchmark.storage.artifacts import Store

LOOKED_AT = 8  # episodes of a source that is not imported
SIDE = 96  # of an image on the sheet, and of the frames of a source that is not imported
ROWS, COLUMNS = 6, 8  # episodes on the sheet, images of each
GAP = 4


def inspect(store: Store, what: str, format_name: str = "auto", limits: Limits | None = None) -> tuple[dict[str, Any], Demos]:
    """The facts about a recording by name, or about a source by path, and the episodes they come from."""
    if what in store.keys(KIND):
        demos, manifest = open_demos(find(store, what)), store.raw_manifest(KIND, what)
        said = {**manifest["request"]["description"], "actions": meaning_of(manifest)}
        told = {"name": what, "source": manifest["source"]}
        return {**told, "format": manifest["request"]["format"], **_facts(demos, said)}, demos
    with reading(what):
        if not Path(what).exists():
            raise BenchmarkError(f"'{what}' is no recording and no path; recordings: {', '.join(store.keys(KIND)) or 'none'}")
    with Reader(Path(what), format_name, limits) as source:
        description = source.description
        episodes = list(islice(source.episodes(0, SIDE), LOOKED_AT))
    if not episodes:
        raise BenchmarkError(f"{what} holds no episodes")
    expected = {name: getattr(episodes[0], name).shape[1] for name in ARRAYS}
    for number, episode in enumerate(episodes):
        check_episode(episode, (len(episode.actions), *episodes[0].frames.shape[1:]), expected, f"{what}, episode {number}")
    columns = {name: np.concatenate([getattr(e, name) for e in episodes]) for name in (*ARRAYS, "frames")}
    widths = (columns["actions"].shape[1], columns["proprio"].shape[1], columns["states"].shape[1])
    spec = DataSpec(source.path.name, description.views, SIDE, *widths, description.hz or 0.0)
    ends = np.cumsum([len(e.actions) for e in episodes])
    arrays: dict[str, Any] = {**columns, "ends": ends, "infos": [e.info for e in episodes]}
    demos = Demos(spec, **arrays)
    return {"source": str(source.path), "format": source.format, **_facts(demos, asdict(description))}, demos


def _facts(demos: Demos, said: dict[str, Any]) -> dict[str, Any]:
    lengths, spec = demos.lengths, demos.spec
    recorded = demos.infos[0]["recorded_size"]
    if isinstance(recorded, dict):
        raise BenchmarkError("this recording is of an earlier version, which did not keep the order of views: import it again")
    return {
        "episodes": said["episodes"],
        "looked_at": len(demos),
        "frames": int(demos.ends[-1]),
        "steps": {"shortest": int(lengths.min()), "mean": float(lengths.mean()), "longest": int(lengths.max())},
        "hz": said["hz"],
        "views": {
            view: {"recorded": size, "here": [spec.resolution] * 2} for view, size in zip(spec.views, recorded, strict=True)
        },
        "dimensions": {"actions": spec.action_dim, "proprio": spec.proprio_dim, "states": spec.state_dim},
        "actions": said["actions"],
        "action_range": [
            {"low": float(low), "high": float(high), "mean": float(mean), "std": float(std)}
            for low, high, mean, std in zip(
                demos.actions.min(0),
                demos.actions.max(0),
                demos.actions.mean(0, dtype=float),
                demos.actions.std(0),
                strict=True,
            )
        ],
        "tasks": len({info["task"] for info in demos.infos if "task" in info}),
        "notes": list(said["notes"]),
    }


def text(facts: dict[str, Any]) -> str:
    """The facts for a person."""
    steps, dims, meaning = facts["steps"], facts["dimensions"], facts["actions"]
    only = f" (the first {facts['looked_at']} looked at)" if facts["looked_at"] < facts["episodes"] else ""
    lines = [
        f"source      {facts['source']} ({facts['format']})",
        f"episodes    {facts['episodes']}{only}, {facts['frames']} frames",
        f"steps       {steps['shortest']} to {steps['longest']}, {steps['mean']:.1f} on average",
        f"rate        {facts['hz']:g} per second" if facts["hz"] else "rate        unknown: say --hz N when importing",
    ]
    for view, size in facts["views"].items():
        recorded, here = (f"{width} x {height}" for height, width in (size["recorded"], size["here"]))
        lines.append(f"view        {view}: recorded {recorded}, here {here}")
    lines += [
        f"numbers     {dims['actions']} action, {dims['proprio']} proprioception, {dims['states']} state",
        f"actions     {meaning['representation']}; gripper: {meaning['gripper']}; units: {meaning['units']}",
    ]
    for index, row in enumerate(facts["action_range"]):
        lines.append(f"  {index:<3} {row['low']:>10.4g} to {row['high']:<10.4g} mean {row['mean']:.4g}, std {row['std']:.4g}")
    if facts["tasks"]:
        lines.append(f"tasks       {facts['tasks']}")
    return "\n".join([*lines, *(f"note        {note}" for note in facts["notes"])])


def contact_sheet(demos: Demos, path: Path) -> None:
    """A row per episode and view, time from left to right; episodes are spread over the recording."""
    chosen = np.unique(np.linspace(0, len(demos) - 1, min(ROWS, len(demos))).astype(int))
    views = len(demos.spec.views)
    sheet = np.full((len(chosen) * views * (SIDE + GAP) + GAP, COLUMNS * (SIDE + GAP) + GAP, 3), 255, np.uint8)
    for row, episode in enumerate(chosen):
        for column, step in enumerate(np.linspace(demos.starts[episode], demos.ends[episode] - 1, COLUMNS).astype(int)):
            for view in range(views):
                image = Image.fromarray(np.asarray(demos.frames[step, view])).resize((SIDE, SIDE))
                top, left = GAP + (row * views + view) * (SIDE + GAP), GAP + column * (SIDE + GAP)
                sheet[top : top + SIDE, left : left + SIDE] = np.asarray(image)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    Image.fromarray(sheet).save(beside, format="PNG")
    beside.replace(path)
