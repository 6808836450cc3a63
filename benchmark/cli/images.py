"""What the encoders of a plan make of held-out frames: artifacts of the store, made when a report first asks for them."""

from __future__ import annotations

from benchmark.core.errors import Corrupt
from benchmark.launch.execute import Executor, StageFailed
from benchmark.planning.graph import Plan
from benchmark.planning.recipes import visualize_stages
from benchmark.stages.visualize import Visualization, load_visualization


def visualizations(plan: Plan, executor: Executor, make: bool) -> dict[str, dict[str, Visualization]]:
    """Environment -> row -> arrays. Those that are not stored yet are made, or left out of a store that cannot be written."""
    rows: dict[str, dict[str, Visualization]] = {}
    for cell, stage in visualize_stages(plan).items():
        if all(executor.store.has(ref.kind, ref.key) for ref in (*stage.inputs.values(), *([] if make else [stage.ref]))):
            try:
                folder = executor.execute(stage) if make else executor.store.open(stage.kind, stage.key)
                rows.setdefault(cell.env, {})[cell.row] = load_visualization(folder)
            except (StageFailed, Corrupt):
                continue  # reported, or named by `results verify`; the page does without
    return rows
