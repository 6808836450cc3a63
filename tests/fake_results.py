"""Small made-up results, the shape that the store gives."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmark.report.inputs import TableInputs
from benchmark.report.table import Table
from benchmark.report.tables import build
from benchmark.results.bundle import Results
from benchmark.results.options import Options
from benchmark.results.view import ResultsView

RANGES = {"kitchen": 4.0, "pusht": 1.0}
TARGETS = {"kitchen": 3.0, "pusht": 0.65}  # of the state
MEANS = {("state", ""): 0.7, ("byol", ""): 0.45, ("dynamo", ""): 0.6, ("dynamo", "no_forward"): 0.2, ("random", ""): 0.3}
TASKS = ("kettle", "slide cabinet")
TITLES = {"kitchen": "Franka Kitchen", "pusht": "Push-T", "vqbet": "VQ-BeT", "knn": "kNN (LWR)"}


def view_of(records: pd.DataFrame, cells: pd.DataFrame, **choices: object) -> ResultsView:
    """`choices` are fields of Options."""
    return ResultsView(Results(records, cells), Options(**choices))  # type: ignore[arg-type]


def table_of(name: str, records: pd.DataFrame, cells: pd.DataFrame, **choices: object) -> Table:
    view = view_of(records, cells, **choices)
    return build(name, TableInputs(view.options, [view]))


def make(
    envs: tuple[str, ...] = ("kitchen",),
    policies: tuple[str, ...] = ("mlp",),
    seeds: int = 3,
    episodes: int = 10,
    preset: str = "quick",
    demonstrations: str = "64 scripted",
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(records, cells) of five rows, and of `r3m`, whose weights are missing."""
    records, cells = [], []
    for env in envs:
        for policy in policies:
            for (method, variant), share in MEANS.items():
                for seed in range(seeds):
                    place = {"env": env, "method": method, "variant": variant, "policy": policy, "seed": seed}
                    rng = np.random.default_rng([len(env), len(method), len(variant), len(policy), seed])
                    cells.append(
                        {
                            **place,
                            **_titles(place),
                            **_cell(env, method, preset, demonstrations),
                            "status": "done",
                            "reason": None,
                        }
                    )
                    records += [{**place, **_episode(env, episode, seed, share, rng)} for episode in range(episodes)]
            for seed in range(seeds):
                place = {"env": env, "method": "r3m", "variant": "", "policy": policy, "seed": seed}
                state = {"status": "missing", "reason": "no weights here; python -m benchmark weights fetch r3m"}
                cells.append({**place, **_titles(place), **_recipe(env, "r3m", preset, demonstrations), **state})
    return pd.DataFrame(records), pd.DataFrame(cells)


def _episode(env: str, episode: int, seed: int, share: float, rng: np.random.Generator) -> dict[str, object]:
    tasks = {f"metric/task/{name}": float(rng.random() < share) for name in TASKS}
    score = float(rng.binomial(4, share)) if env == "kitchen" else float(rng.beta(4 * share, 4 * (1 - share)))
    return {
        "episode": episode,
        "episode_seed": 1000 * seed + episode,
        "score": score,
        "steps": 280,
        "crashed": False,
        "error": "",
        "metric/raw": score,
        **tasks,
    }


def _titles(place: dict[str, object]) -> dict[str, object]:
    titles = {f"{name}_title": TITLES.get(str(place[name]), place[name]) for name in ("env", "policy")}
    return {**titles, "floor": place["method"] == "random", "untrained": place["method"] == "random"}


def _recipe(env: str, method: str, preset: str, demonstrations: str) -> dict[str, object]:
    return {
        "preset": preset,
        "privileged": method == "state",
        "metric": "tasks" if env == "kitchen" else "coverage",
        "metric_low": 0.0,
        "metric_high": RANGES[env],
        "state_target": TARGETS[env],
        "checkpoint": "last",
        "demonstrations": demonstrations,
        "visual_shift": "",
        "departures": "" if preset == "paper" else "pretrain.frames=15000 (paper: 40 epochs)",
    }


def _cell(env: str, method: str, preset: str, demonstrations: str) -> dict[str, object]:
    learns = method not in ("random", "state")
    return {
        **_recipe(env, method, preset, demonstrations),
        "demonstrator_score": 0.95 * RANGES[env],
        "frames_seen": 40_000 if learns else 0,
        "gradient_steps": 640 if learns else 0,
        "pretrain_params": 11_176_512 if learns else 0,
        "encoder_params": 11_176_512,
        "encoder_gflops": 0.33,
        "encoder_ms": 1.25,
        "policy_ms": 0.5,
        "pretrain_seconds": 55.0 if learns else 0.0,
        "wall_seconds": 125.0,
        "effective_rank": 23.4,
        "feature_std": 0.2,
        "feature_dim": 512,
        "probe_linear": 0.61,
        "probe_nn": 0.7,
        "finetuned": False,
        "collapsed": False,
        "collapse_reason": None,
        "not_learned": None,
    }
