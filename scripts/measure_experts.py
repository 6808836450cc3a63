#!/usr/bin/env python3
"""Lets the scripted demonstrators play, without images, and writes what they reached: results/measured/experts/ENV.csv.

    python scripts/measure_experts.py kitchen pusht block_push --seeds 100
    python scripts/regenerate.py            # the table from them

The seeds are a stream of their own: neither those of demonstrations nor those of evaluation.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.progress import track

from benchmark import registry
from benchmark.core.errors import BenchmarkError
from benchmark.core.provenance import provenance
from benchmark.core.seeds import seed
from benchmark.planning.config.compose import compose_config
from benchmark.storage.files import write_text

FOLDER = Path(__file__).resolve().parent.parent / "results" / "measured" / "experts"


def play(env: Any, episode_seed: int) -> dict[str, Any]:
    """One episode by the demonstrator, as demonstrations are recorded."""
    spec = env.spec(env.config)
    env.reset(episode_seed)
    expert = env.expert(seed("expert", episode_seed))
    steps, over = 0, False
    while not over and steps < spec.max_steps and (action := expert.act()) is not None:
        over = env.step(np.clip(expert.executed(action), spec.action_low, spec.action_high).astype(np.float32))
        steps += 1
    return {"task": env.task(env.config, episode_seed), "steps": steps, "score": env.score()[spec.metric]}


def measure(name: str, seeds: int) -> pd.DataFrame:
    cls = registry.envs().get(name)
    config = compose_config(name, preset="quick").env[name]
    if reason := cls.unavailable_reason(config):
        raise BenchmarkError(f"{name} cannot run here: {reason}")
    env, commit = cls(config), provenance()["git"]["commit"]
    try:
        rows = [play(env, seed("experts", name, number)) for number in track(range(seeds), name)]
    finally:
        env.close()
    spec = cls.spec(config)
    return pd.DataFrame(rows).assign(env=name, metric=spec.metric, target=spec.expert_target, commit=commit)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("envs", nargs="+", metavar="ENV")
    parser.add_argument("--seeds", type=int, default=100, help="episodes per environment (default: 100)")
    options = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in options.envs:
        write_text(FOLDER / f"{name}.csv", measure(name, options.seeds).to_csv(index=False))


if __name__ == "__main__":
    main()
