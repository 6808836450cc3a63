"""What an encoder takes for similar: held-out frames, and the training frame nearest to each (the paper's Figure 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmark.data.episodes import open_demos
from benchmark.plan import method_label
from benchmark.stages.probe import REFERENCES, standardised
from benchmark.store import Store

QUERIES = 5


@dataclass(frozen=True)
class Matches:
    """Pictures of the first view: what was asked, and what each row of the table answers."""

    env: str
    queries: np.ndarray  # (Q, H, W, 3) uint8
    answers: dict[str, np.ndarray]


def matches(store: Store, provenance: dict[str, Any]) -> list[Matches]:
    """One per environment, of the first seed of each row. Features are compared as the probe compares them."""
    first: dict[str, dict[str, dict[str, str]]] = {}
    for cell in provenance["cells"]:
        if store.has("embed", cell["stages"]["embed"]):
            label = method_label(cell["method"], cell["variant"])
            first.setdefault(cell["env"], {}).setdefault(label, cell["stages"])
    return [_of(env, rows, store) for env, rows in first.items()]


def _of(env: str, rows: dict[str, dict[str, str]], store: Store) -> Matches:
    stages = next(iter(rows.values()))
    demos = open_demos(store.open("demos", stages["demos"]))
    split = store.manifest("probe", stages["probe"])["params"]["split"]
    train, held_out = (demos.steps_of(episodes) for episodes in demos.split(split["held_out"]))
    asked = held_out[np.unique(np.linspace(0, len(held_out) - 1, QUERIES + 2).round().astype(int)[1:-1])]
    searched = train[np.linspace(0, len(train) - 1, min(REFERENCES, len(train))).astype(int)]
    answers = {}
    for label, of_row in rows.items():
        features = np.load(store.open("embed", of_row["embed"]) / "features.npy", mmap_mode="r", allow_pickle=False)
        x, query = standardised(features[searched].astype(np.float32), features[asked].astype(np.float32))
        nearest = [((x - one) ** 2).sum(1).argmin() for one in query]
        answers[label] = demos.frames[searched[nearest], 0]
    return Matches(env, demos.frames[asked, 0], answers)
