"""What the encoders of a store make of held-out frames, computed when a report asks for it."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmark.data.episodes import open_demos
from benchmark.planning.graph import method_label
from benchmark.stages.pretrain import open_encoder
from benchmark.stages.visualize import Visualization, visualize
from benchmark.storage.artifacts import Store


def visualizations(store: Store, provenance: dict[str, Any]) -> dict[str, dict[str, Visualization]]:
    """Environment -> row -> arrays, of the first seed of each row."""
    first: dict[str, dict[str, dict[str, str]]] = {}
    for cell in provenance["cells"]:
        tuned = "tuned" in store.manifest("fit", cell["stages"]["fit"])["params"]  # what was pretrained is not what acts
        if store.has("embed", cell["stages"]["embed"]) and not tuned:
            label = method_label(cell["method"], cell["variant"])
            first.setdefault(cell["env"], {}).setdefault(label, cell["stages"])
    return {env: {label: _of(store, stages) for label, stages in rows.items()} for env, rows in first.items()}


def _of(store: Store, stages: dict[str, str]) -> Visualization:
    demos = open_demos(store.open("demos", stages["demos"]))
    held_out = store.manifest("probe", stages["probe"])["params"]["split"]["held_out"]
    features = np.load(store.open("embed", stages["embed"]) / "features.npy", mmap_mode="r", allow_pickle=False)
    params = store.manifest("pretrain", stages["pretrain"])["params"]
    encoder = open_encoder(store.open("pretrain", stages["pretrain"]), params, demos.spec)
    return visualize(demos, features, encoder, held_out)
