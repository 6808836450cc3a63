#!/usr/bin/env python3
"""What scripted demonstrators do in several simulators, as recordings that a mixture takes.

    export BENCHMARK_HOME=/tmp/goals
    python scripts/mix_simulators.py kitchen block_push open_drawer open_door --episodes 120 --resolution 64

A simulator whose actions are no movements of an end effector is left out by name: the kitchen's are speeds of joints. Prints
the settings that the mixture is asked for with. Its demonstrations are made once; run again, nothing is made anew.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace

from benchmark import registry
from benchmark.core.errors import BenchmarkError
from benchmark.core.home import home_of
from benchmark.core.progress import Reporter
from benchmark.datasets.action_space import action_map
from benchmark.datasets.recordings import import_recording
from benchmark.launch.base import execution_of
from benchmark.launch.execute import Executor
from benchmark.planning.config.compose import compose_config
from benchmark.planning.recipes import demos_stage
from benchmark.storage.artifacts import Store


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("simulators", nargs="+", metavar="SIMULATOR")
    parser.add_argument("--episodes", type=int, required=True, help="of each")
    parser.add_argument("--resolution", type=int, required=True)
    options = parser.parse_args()
    store, reporter, mixed = Store(home_of()).prepare(), Reporter(), []
    for name in options.simulators:
        config = compose_config(name, preset="quick", overrides=["machine.threads=1", "machine.cores=1"])
        config.env[name] = replace(config.env[name], episodes=options.episodes, resolution=options.resolution)
        spec = registry.envs().get(name).spec(config.env[name])
        try:
            action_map(asdict(spec.action), len(spec.action.low), spec.hz)
        except BenchmarkError as error:
            print(f"{name} is left out: {error}")
            continue
        folder = Executor(store, reporter, execution_of(config)).execute(demos_stage(name, config))
        with reporter.task(f"import {name}") as task:
            import_recording(store, folder, name, task)
        mixed.append(name)
    print(f"env.mixture.parts=[{','.join(mixed)}] env.mixture.resolution={options.resolution}")


if __name__ == "__main__":
    main()
