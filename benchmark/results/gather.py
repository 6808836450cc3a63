"""From a plan and a store to the two frames that tables are made of: `records`, a row per episode, and `cells`, a row per cell.

Nothing is computed that a manifest or a record does not hold, and nothing is trained.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark import registry
from benchmark.core.errors import Corrupt
from benchmark.planning.config.schema import Config
from benchmark.planning.graph import Cell, Plan
from benchmark.stages.rollout import RECORDS
from benchmark.storage.artifacts import Store
from benchmark.storage.columns import IDENTITY, RECORD_COLUMNS


def collect(plan: Plan, store: Store) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(records, cells) of everything in the plan that exists."""
    records: list[dict[str, Any]] = []
    cells = []
    for cell in plan.cells:
        row = _cell(plan, cell, store)
        if row["status"] == "done":
            records += [{**_identity(cell), **r} for r in read_records(store.open("rollout", cell.stages["rollout"]))]
        cells.append(row)
    return pd.DataFrame(records) if records else pd.DataFrame(columns=RECORD_COLUMNS), pd.DataFrame(cells)


def read_records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / RECORDS).read_text().splitlines()]


def _identity(cell: Cell) -> dict[str, Any]:
    return {name: getattr(cell, name) for name in IDENTITY}


def _cell(plan: Plan, cell: Cell, store: Store) -> dict[str, Any]:
    env_config = plan.configs[cell.env].env[cell.env]
    env, policy = registry.envs().get(cell.env), registry.policies().get(cell.policy)
    spec, method = env.spec(env_config), registry.methods().get(cell.method)
    status, reason = _status(cell, store)
    row: dict[str, Any] = {
        **_identity(cell),
        "status": status,
        "reason": reason,
        "preset": plan.preset,
        "privileged": method.privileged,
        "floor": method.floor and not cell.variant,
        "env_title": env.title or env.name,
        "policy_title": policy.title or policy.name,
        "metric": spec.metric,
        "metric_low": spec.metric_range[0],
        "metric_high": spec.metric_range[1],
        "checkpoint": plan.configs[cell.env].rollout.checkpoint,
        "demonstrations": f"{env_config.episodes} {env_config.demonstrations}",
        "starts": plan.configs[cell.env].rollout.starts,
        "goal": plan.configs[cell.env].fit.goal,
        "visual_shift": _shift(plan.configs[cell.env]),
    }
    if status != "done":
        return row
    manifests = {kind: store.manifest(kind, key) for kind, key in cell.stages.items() if store.has(kind, key)}
    summary = {kind: manifest["summary"] for kind, manifest in manifests.items()}
    pretrain, probe, rollout = summary.get("pretrain", {}), summary.get("probe", {}), summary.get("rollout", {})
    return {
        **row,
        "frames_seen": (pretrain.get("frames_seen") or 0) + (summary.get("fit", {}).get("frames_seen") or 0),
        "tuned": "tuned" in manifests["fit"]["params"],
        "gradient_steps": pretrain.get("gradient_steps"),
        "pretrain_params": pretrain.get("trainable_params"),
        "encoder_params": pretrain.get("encoder_params"),
        "pretrain_seconds": pretrain.get("pretrain_seconds"),
        "encoder_gflops": summary.get("embed", {}).get("encoder_gflops"),
        "encoder_ms": summary.get("embed", {}).get("encoder_ms"),
        "policy_ms": rollout.get("policy_ms"),
        "wall_seconds": sum(m["wall_seconds"] for kind, m in manifests.items() if kind != "demos"),
        "effective_rank": probe.get("effective_rank"),
        "feature_std": probe.get("feature_std"),
        "feature_dim": summary.get("embed", {}).get("dim"),
        "probe_linear": probe.get("linear_r2"),
        "probe_nn": probe.get("nearest_error"),
        "collapsed": probe.get("collapsed"),
    }


def _shift(config: Config) -> str:
    """As a table shows it; nothing where there is none."""
    shift = config.shift
    return "" if shift.train == shift.evaluation == "none" else f"{shift.evaluation} (trained with {shift.train})"


def _status(cell: Cell, store: Store) -> tuple[str, str | None]:
    """done | missing (cannot run here) | failed (was tried) | pending (was not)."""
    if cell.missing:
        return "missing", cell.missing
    try:
        if store.has("rollout", cell.stages["rollout"]) and store.has("probe", cell.stages["probe"]):
            store.open("rollout", cell.stages["rollout"])
            return "done", None
    except Corrupt as error:
        return "pending", f"corrupt: {error}; run the same command again to rebuild it"
    reasons = [reason for key in cell.stages.values() if (reason := store.failure(key))]
    return ("failed", reasons[0]) if reasons else ("pending", "not run yet")
