"""From a plan and a store to the two frames that tables are made of: `records`, a row per episode, and `cells`, a row per cell.

Nothing is computed that a manifest or a record does not hold, and nothing is trained.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmark import registry
from benchmark.core.errors import Corrupt
from benchmark.planning.config.schema import Config
from benchmark.planning.graph import CellId, Plan, RunCell
from benchmark.planning.paper import departures, paper_configs
from benchmark.planning.variants import is_finetuned, is_pretrained, with_variant
from benchmark.stages.params import demos, embed, fit, pretrain, probe, rollout
from benchmark.storage.artifacts import Store
from benchmark.storage.columns import RECORD_COLUMNS
from benchmark.storage.manifests import Manifest
from benchmark.storage.records import read_columns

if TYPE_CHECKING:  # it imports torch
    from benchmark.contracts.method import Method


def collect(plan: Plan, store: Store) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(records, cells) of everything in the plan that exists."""
    places: list[CellId] = []
    episodes = []
    cells = []
    papers = paper_configs(plan)
    for cell in plan.cells:
        row = _cell(plan, cell, store, papers[cell.id.env])
        if row["status"] == "done":
            places.append(cell.id)
            episodes.append(read_columns(store.open("rollout", cell.stages["rollout"])))
        cells.append(row)
    return joined(places, episodes), pd.DataFrame(cells)


def joined(places: Sequence[CellId], episodes: Sequence[Mapping[str, np.ndarray]]) -> pd.DataFrame:
    """The columns of all cells, whose episodes need not have the same metrics."""
    counts = [len(columns["episode"]) for columns in episodes if columns]
    if not sum(counts):
        return pd.DataFrame(columns=RECORD_COLUMNS)
    frame = (
        pd.DataFrame([asdict(place) for place in places]).loc[np.repeat(np.arange(len(places)), counts)].reset_index(drop=True)
    )
    for name in dict.fromkeys(name for columns in episodes for name in columns):
        absent = (np.full(count, np.nan) for count in counts)
        frame[name] = np.concatenate([columns.get(name, nothing) for columns, nothing in zip(episodes, absent, strict=True)])
    return frame


def outline(plan: Plan) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What `collect` gives of a plan before anything has run. Reads no store."""
    cells = [
        {**asdict(cell.id), "status": "missing" if cell.refused else "pending", "reason": cell.refused, **_planned(plan, cell)}
        for cell in plan.cells
    ]
    return pd.DataFrame(columns=RECORD_COLUMNS), pd.DataFrame(cells)


def _cell(plan: Plan, cell: RunCell, store: Store, paper: Config) -> dict[str, Any]:
    status, reason = _status(cell, store)
    departed = None
    if registry.methods().problem(cell.id.method) is None:
        departed = "; ".join(departures(cell.id, plan.configs[cell.id.env], paper))
    row = {**asdict(cell.id), "status": status, "reason": reason, **_planned(plan, cell), "departures": departed}
    return {**row, **_measured(cell, store)} if status == "done" else row


def _planned(plan: Plan, cell: RunCell) -> dict[str, Any]:
    config, env = plan.configs[cell.id.env], cell.id.env
    environment, policy = registry.envs().get(env), registry.policies().get(cell.id.policy)
    spec, methods = environment.spec(config.env[env]), registry.methods()
    method = methods.get(cell.id.method) if methods.problem(cell.id.method) is None else None
    return {
        "preset": plan.preset,
        "privileged": bool(method and method.privileged),
        "floor": bool(method and method.floor and not cell.id.variant),
        "untrained": bool(method and _untrained(method, config, cell.id)),
        "env_title": environment.title or environment.name,
        "policy_title": policy.title or policy.name,
        "metric": spec.metric,
        "metric_low": spec.metric_range[0],
        "metric_high": spec.metric_range[1],
        "state_target": spec.state_target,
        "checkpoint": config.rollout.checkpoint,
        "demonstrations": f"{config.env[env].episodes} {config.env[env].demonstrations}",
        "starts": config.rollout.starts,
        "goal": config.fit.goal,
        "visual_shift": _shift(config),
    }


def _untrained(method: type[Method], config: Config, cell: CellId) -> bool:
    """A network that nothing trains and that is another with each seed: its weights are random, not published ones."""
    if is_pretrained(method, cell.variant) or method.joint or method.privileged or is_finetuned(cell.variant):
        return False
    return method.seeded(with_variant(method, config.method[cell.method], cell.variant, cell.env))


def _measured(cell: RunCell, store: Store) -> dict[str, Any]:
    manifests = {kind: store.manifest(kind, key) for kind, key in cell.stages.items()}
    pretrained = manifests["pretrain"].summary_as(pretrain.Summary)
    embedded = manifests["embed"].summary_as(embed.Summary)
    probed = manifests["probe"].summary_as(probe.Summary)
    fitted = manifests["fit"].summary_as(fit.Summary)
    return {
        "demonstrator_score": manifests["demos"].summary_as(demos.Summary).mean_score,
        "frames_seen": pretrained.frames_seen + fitted.frames_seen,
        "finetuned": manifests["fit"].params_as(fit.Params).joint is not None,
        "gradient_steps": pretrained.gradient_steps,
        "pretrain_params": pretrained.trainable_params,
        "encoder": pretrained.encoder,
        "encoder_params": pretrained.encoder_params,
        "pretrain_seconds": pretrained.pretrain_seconds,
        "encoder_gflops": embedded.encoder_gflops,
        "encoder_ms": embedded.encoder_ms,
        "policy_ms": manifests["rollout"].summary_as(rollout.Summary).policy_ms,
        "wall_seconds": sum(manifest.wall_seconds for kind, manifest in manifests.items() if kind != "demos"),
        "effective_rank": probed.effective_rank,
        "feature_std": probed.feature_std,
        "feature_dim": embedded.dim,
        "probe_linear": probed.linear_r2,
        "probe_nn": probed.nearest_error,
        "collapsed": probed.collapsed,
        "collapse_reason": probed.collapse_reason,
        "not_learned": pretrained.not_learned,
        "computed_with": "; ".join(sorted(computed_with(manifests.values()))),
    }


def computed_with(manifests: Iterable[Manifest]) -> set[str]:
    """What the stages of a cell were computed with that changes how sums are rounded."""
    return {str(fact) for each in manifests for name in ("arithmetic", "precision") if (fact := each.machine.get(name))}


def _shift(config: Config) -> str:
    """As a table shows it; nothing where there is none."""
    shift = config.shift
    return "" if shift.train == shift.evaluation == "none" else f"{shift.evaluation} (trained with {shift.train})"


def _status(cell: RunCell, store: Store) -> tuple[str, str | None]:
    """done | missing (cannot run, here or anywhere) | failed (was tried) | pending (was not)."""
    if cell.refused:
        return "missing", cell.refused
    try:
        if all(store.has(kind, key) for kind, key in cell.stages.items()):
            store.open("rollout", cell.stages["rollout"])
            return "done", None
        damage = next((damage for kind, key in cell.stages.items() if (damage := store.damage(kind, key))), None)
    except Corrupt as error:
        damage = str(error)
    if damage:
        return "pending", f"corrupt: {damage}; the next run makes it again"
    failures = [failure for key in cell.stages.values() if (failure := store.failure(key))]
    if not failures:
        return "pending", "not run yet"
    return "missing" if failures[0].unavailable else "failed", failures[0].error
