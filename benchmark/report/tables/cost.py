"""What each row cost and what its features look like: means over seeds; in files with the range over seeds."""

from __future__ import annotations

from collections.abc import Callable

from benchmark.core.progress import count, duration
from benchmark.report import captions
from benchmark.report.cells import mean_cell
from benchmark.report.inputs import TableInputs
from benchmark.report.table import Table, TableColumn, TableRow
from benchmark.results.quality import condition

COLUMNS: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("frames_seen", "Frames seen", count),
    ("gradient_steps", "Pretraining steps", count),
    ("pretrain_params", "Trained parameters", count),
    ("encoder_params", "Encoder parameters", count),
    ("encoder_gflops", "Encoder GFLOPs/image", lambda v: f"{v:.2f}" if v >= 0.095 or not v else f"{v:.2g}"),
    ("encoder_ms", "Encoder ms/image", lambda v: f"{v:.2f}"),
    ("policy_ms", "Policy ms/plan", lambda v: f"{v:.2f}"),
    ("pretrain_seconds", "Pretraining", duration),
    ("wall_seconds", "Wall time per seed", duration),
    ("effective_rank", "Effective rank", lambda v: f"{v:.1f}"),
    ("feature_dim", "of", lambda v: f"{v:.0f}"),
    ("feature_std", "Feature std", lambda v: f"{v:.3f}"),
    ("probe_linear", "Linear probe R²", lambda v: f"{v:.3f}"),
    ("probe_nn", "Nearest-neighbour error", lambda v: f"{v:.3f}"),
)


def table(inputs: TableInputs) -> Table:
    view = inputs.view
    column = view.column
    rows = []
    for row in view.rows:
        done = view.done(column, row)
        cells = [mean_cell(done[name], text) for name, _, text in COLUMNS]
        rows.append(TableRow(str(row), tuple(cells), view.kind(row), captions.remarks(condition(view, column, row))))
    caption = (
        f"Cost and features in {captions.heading(view, column.env)}, policy {column.policy}; means over seeds. Latency is per "
        f"image (read, encode, write) and per plan of actions and slot, on the machine that ran it. Probes predict the "
        f"simulator state of held-out demonstrations; features are those of frozen encoders. "
        f"Preset: {', '.join(dict.fromkeys(view.cells.preset))}."
    )
    return Table("cost", caption, "Method", tuple(TableColumn(key, title) for key, title, _ in COLUMNS), tuple(rows))
