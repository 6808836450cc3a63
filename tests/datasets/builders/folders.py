"""Folders of pictures or films with arrays beside them, and a folder of this program's own demonstrations."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from benchmark.contracts.data import DataSpec, Episode
from benchmark.contracts.specs import ActionSpec
from benchmark.data.episodes import DemosWriter
from tests.datasets.builders.content import LENGTHS, SIDE, Built, images, numbers
from tests.datasets.builders.pictures import png, write_video


def folder_of_images(root: Path) -> Built:
    frames, actions, states, proprio = images(2), numbers(3), numbers(2, 1), numbers(4, 2)
    for number, episode in enumerate(frames):
        place = root / f"episode_{number:03d}"
        for view, name in enumerate(("front", "side")):
            (place / name).mkdir(parents=True)
            for step, frame in enumerate(episode[:, view]):
                (place / name / f"{step:05d}.png").write_bytes(png(frame))
        np.savez(place / "data.npz", actions=actions[number], states=states[number], proprio=proprio[number])
    meaning = {"representation": "delta", "gripper": "1 closes", "units": "metres"}
    (root / "recording.json").write_text(json.dumps({"hz": 5, "actions": meaning}))
    return Built(root, "folder", ("front", "side"), 5.0, frames, actions, states, proprio)


def folder_of_videos(root: Path) -> Built:
    frames, actions = images(1), numbers(3)
    for number, episode in enumerate(frames):
        write_video(root / f"{number}.mp4", episode[:, 0], 8)
        np.savez(root / f"{number}.npz", actions=actions[number])
    return Built(root, "folder", ("camera",), 8.0, frames, actions, lossless=False)


def demonstrations(root: Path) -> Built:
    """As `data make` leaves them."""
    frames, actions, states, proprio = images(2), numbers(3), numbers(2, 1), numbers(4, 2)
    meaning = ActionSpec((-1.0,) * 3, (1.0,) * 3, ("x", "y", "gripper"), "delta", units="metres", gripper="0 opens, 1 closes")
    writer = DemosWriter(root, DataSpec("toy", ("front", "side"), SIDE, 3, 4, 2, 5.0, meaning))
    tasks = [f"task {number}" for number in range(len(LENGTHS))]
    for number, task in enumerate(tasks):
        writer.add(Episode(frames[number], actions[number], states[number], proprio[number], {"task": task}))
    writer.finish()
    return Built(root, "demonstrations", ("front", "side"), 5.0, frames, actions, states, proprio, tasks=tasks)
