"""The verbs of `data`: demonstrations and recordings. A docstring here is that verb's help."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace

from benchmark import registry
from benchmark.contracts.specs import REPRESENTATIONS
from benchmark.core.errors import BenchmarkError
from benchmark.core.progress import Reporter
from benchmark.data.episodes import open_demos
from benchmark.datasets import inspect as inspection
from benchmark.datasets import recordings
from benchmark.datasets.export_lerobot import export
from benchmark.datasets.files import reading
from benchmark.datasets.replay import replay
from benchmark.launch.local import Runner, StageFailed
from benchmark.planning.config.compose import compose_config
from benchmark.planning.graph import demos_stage
from benchmark.storage.artifacts import Store

ACTION_MEANINGS = REPRESENTATIONS[:2]


def data_make(options: argparse.Namespace) -> int:
    """Record demonstrations with the scripted expert, or take the recordings of an environment."""
    config = compose_config(options.env, preset=options.preset, overrides=options.overrides)
    if options.episodes is not None:
        config.env[options.env] = replace(config.env[options.env], episodes=options.episodes)
    if reason := registry.envs().get(options.env).unavailable_reason(config.env[options.env]):
        raise BenchmarkError(f"{options.env} cannot run here: {reason}")
    store, reporter = Store(options.home).prepare(), Reporter(options.quiet)
    stage = demos_stage(options.env, config)
    try:
        folder = Runner(store, reporter, config.machine, config.rollout.timeout).ensure(stage, {stage.key: stage})
    except StageFailed:
        return 1
    summary = store.manifest("demos", stage.key)["summary"]
    if options.video:
        from benchmark.launch.videos import video_demonstration

        video_demonstration(folder, options.video)
    if options.format == "json":
        print(json.dumps({"folder": str(folder), "key": stage.key, **summary}, indent=1))
    else:
        text = f"{summary['episodes']} episodes, {summary['frames']} frames, {summary['mean_steps']:.0f} steps on average"
        score = summary["mean_score"]
        scored = "" if score is None else f", mean {summary['metric']} {score:.2f}"
        print(f"{text}{scored}\n{folder}")
    return 0


def data_import(options: argparse.Namespace) -> int:
    """Import recordings: DynaMo's release, Diffusion Policy zarr, LeRobot v3, RLDS, HDF5, or a folder of videos and arrays.

    They are streamed into the store, checked and checksummed; run it again and it goes on after the last episode. What the
    source does not say of its rate and of its actions can be said here; nothing is guessed. Where it was recorded in a
    simulator that is known here, its actions are sent again and the distance from its states is printed.
    """
    store = Store(options.home).prepare()
    with reading(options.source):
        name = options.name or options.source.resolve().name.split(".")[0]
    stated = {key: getattr(options, key) for key in ("hz", "representation", "gripper", "units")}
    with Reporter(options.quiet).task(f"import {name}") as task:
        folder = recordings.import_recording(
            store,
            options.source,
            name,
            task,
            format_name=options.format,
            side=options.resolution,
            episodes=options.episodes,
            stated=stated,
        )
        manifest = store.manifest(recordings.KIND, name)
        env = manifest["request"]["description"]["env"]
        replayed = replay(env, open_demos(folder), task) if env else None
    print(f"{manifest['summary']['episodes']} episodes, {manifest['summary']['frames']} frames\n{folder}")
    if replayed:
        print(replayed)
    return 0


def data_inspect(options: argparse.Namespace) -> int:
    """Say what a recording holds: counts, sizes, rates, ranges of actions. A path that is not imported yet will do as well."""
    facts, demos = inspection.inspect(Store(options.home).prepare(), options.what, options.source_format)
    if options.sheet:
        inspection.contact_sheet(demos, options.sheet)
    print(json.dumps(facts, indent=1) if options.format == "json" else inspection.text(facts))
    return 0


def data_verify(options: argparse.Namespace) -> int:
    """Check a recording against its checksums, and the files it was imported from against theirs."""
    print(recordings.verify(Store(options.home).prepare(), options.name))
    return 0


def data_export(options: argparse.Namespace) -> int:
    """Write a recording in a format that other tools read: LeRobotDataset v3."""
    store = Store(options.home).prepare()
    demos = open_demos(recordings.find(store, options.name))
    actions = store.manifest(recordings.KIND, options.name)["request"]["description"]["actions"]
    export(demos, actions, options.name, options.folder)
    print(options.folder)
    return 0
