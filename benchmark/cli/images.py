"""What the encoders of a plan make of held-out frames: artifacts of the store, made when a report first asks for them."""

from __future__ import annotations

from benchmark.launch.execute import Executor, StageFailed
from benchmark.planning.graph import Plan
from benchmark.planning.recipes import visualize_stages
from benchmark.stages.visualize import Visualization, load_visualization


def visualizations(plan: Plan, executor: Executor) -> dict[str, dict[str, Visualization]]:
    """Environment -> row -> arrays."""
    rows: dict[str, dict[str, Visualization]] = {}
    for cell, stage in visualize_stages(plan).items():
        if all(executor.store.has(ref.kind, ref.key) for ref in stage.inputs.values()):
            try:
                rows.setdefault(cell.env, {})[cell.row] = load_visualization(executor.execute(stage))
            except StageFailed:
                continue  # reported; the page does without
    return rows
