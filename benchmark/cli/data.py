"""Demonstrations and recordings: make, import, inspect, verify, export."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

from benchmark.cli import flags
from benchmark.cli.parser import Action, add_actions
from benchmark.core.errors import BenchmarkError
from benchmark.core.progress import Reporter
from benchmark.storage.artifacts import Store

# datasets.FORMATS and what is known of contracts.specs.REPRESENTATIONS, written out so that help imports no importer
SOURCE_FORMATS = ("dynamo_release", "diffusion_policy_zarr", "lerobot", "rlds", "hdf5", "folder")
ACTION_MEANINGS = ("absolute", "delta", "velocity")


def arguments(parser: argparse.ArgumentParser) -> None:
    add_actions(parser, ACTIONS)


def run(options: argparse.Namespace) -> int:
    return ACTIONS[options.action].run(options)


def make(options: argparse.Namespace) -> int:
    """Record demonstrations with the scripted expert, or take the recordings of an environment."""
    from benchmark import registry
    from benchmark.launch.base import execution_of
    from benchmark.launch.execute import Executor, StageFailed
    from benchmark.planning.config.compose import compose_config
    from benchmark.planning.recipes import demos_stage

    config = compose_config(options.env, preset=options.preset, overrides=options.overrides)
    if options.episodes is not None:
        config.env[options.env] = replace(config.env[options.env], episodes=options.episodes)
    if reason := registry.envs().get(options.env).unavailable_reason(config.env[options.env]):
        raise BenchmarkError(f"{options.env} cannot run here: {reason}")
    store, reporter = Store(options.home).prepare(), Reporter(options.quiet)
    stage = demos_stage(options.env, config)
    try:
        folder = Executor(store, reporter, execution_of(config)).execute(stage)
    except StageFailed:
        return 1
    summary = store.manifest("demos", stage.key).summary
    if options.video:
        from benchmark.launch.videos import record_demonstration

        record_demonstration(folder, options.video)
    if options.format == "json":
        print(json.dumps({"folder": str(folder), "key": stage.key, **summary}, indent=1))
    else:
        text = f"{summary['episodes']} episodes, {summary['frames']} frames, {summary['mean_steps']:.0f} steps on average"
        score = summary["mean_score"]
        scored = "" if score is None else f", mean {summary['metric']} {score:.2f}"
        print(f"{text}{scored}\n{folder}")
    return 0


def import_(options: argparse.Namespace) -> int:
    """Import recordings: DynaMo's release, Diffusion Policy zarr, LeRobot v3, RLDS, HDF5, or a folder of videos and arrays.

    They are streamed into the store, checked and checksummed; run it again and it goes on after the last episode. What the
    source does not say of its rate and of its actions can be said here; nothing is guessed. Where it was recorded in a
    simulator that is known here, its actions are sent again and the distance from its states is printed.
    """
    from benchmark.data.episodes import open_demos
    from benchmark.datasets import recordings
    from benchmark.datasets.budget import Limits
    from benchmark.datasets.files import reading
    from benchmark.datasets.replay import replay

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
            limits=Limits(options.memory_limit, options.time_limit),
        )
        manifest = store.raw_manifest(recordings.KIND, name)
        env = manifest["request"]["description"]["env"]
        replayed = replay(env, open_demos(folder), task) if env else None
    print(f"{manifest['summary']['episodes']} episodes, {manifest['summary']['frames']} frames\n{folder}")
    if replayed:
        print(replayed)
    return 0


def inspect(options: argparse.Namespace) -> int:
    """Say what a recording holds: counts, sizes, rates, ranges of actions. A path that is not imported yet will do as well."""
    from benchmark.datasets.budget import Limits
    from benchmark.datasets.inspect import contact_sheet, inspect, text

    limits = Limits(options.memory_limit, options.time_limit)
    facts, demos = inspect(Store(options.home).prepare(), options.what, options.source_format, limits)
    if options.sheet:
        contact_sheet(demos, options.sheet)
    print(json.dumps(facts, indent=1) if options.format == "json" else text(facts))
    return 0


def verify(options: argparse.Namespace) -> int:
    """Check a recording against its checksums, and the files it was imported from against theirs."""
    from benchmark.datasets.recordings import verify

    print(verify(Store(options.home).prepare(), options.name))
    return 0


def export(options: argparse.Namespace) -> int:
    """Write a recording in a format that other tools read: LeRobotDataset v3."""
    from benchmark.data.episodes import open_demos
    from benchmark.datasets import recordings
    from benchmark.datasets.export_lerobot import export

    store = Store(options.home).prepare()
    demos = open_demos(recordings.find(store, options.name))
    actions = store.raw_manifest(recordings.KIND, options.name)["request"]["description"]["actions"]
    export(demos, actions, options.name, options.folder)
    print(options.folder)
    return 0


def _add_limits(parser: argparse.ArgumentParser) -> None:
    memory = "the most that reading may take (default: 16 times what the files take, but 0.375 at least and 6 at most)"
    parser.add_argument("--memory-limit", type=float, metavar="GB", help=memory)
    waiting = "how long to wait for a sign of progress of what reads (default: 60)"
    parser.add_argument("--time-limit", type=float, metavar="S", help=waiting)


def _make(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("env", help="an environment")
    parser.add_argument("--episodes", type=int, help="how many demonstrations (default: the preset's)")
    parser.add_argument("--preset", default="quick", help="smoke, quick (default), standard or paper")
    parser.add_argument("--video", type=flags.output_file, metavar="FILE", help="make a video of the first demonstration (mp4)")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="e.g. env.kitchen.resolution=128")
    flags.add_format(parser)
    flags.add_home(parser)


def _import(parser: argparse.ArgumentParser) -> None:
    formats = ("auto", *SOURCE_FORMATS)
    parser.add_argument("source", type=Path, help="a file or folder")
    parser.add_argument("--format", choices=formats, default="auto", help="the format (default: auto, by looking)")
    parser.add_argument("--name", help="what to call it here (default: that of the source)")
    parser.add_argument("--resolution", type=int, metavar="N", help="stretch frames to N x N (default: as recorded, if square)")
    parser.add_argument("--episodes", type=int, metavar="N", help="only the first N")
    parser.add_argument("--hz", type=float, help="steps per second")
    parser.add_argument("--actions", dest="representation", choices=ACTION_MEANINGS, help="what actions are")
    parser.add_argument("--gripper", help="which value opens the gripper, which closes it")
    parser.add_argument("--units", help="the units of actions")
    _add_limits(parser)
    flags.add_home(parser)


def _inspect(parser: argparse.ArgumentParser) -> None:
    formats = ("auto", *SOURCE_FORMATS)
    parser.add_argument("what", metavar="NAME|PATH", help="a recording, or a source that is not imported")
    parser.add_argument("--as", dest="source_format", choices=formats, default="auto", help="the source's format")
    parser.add_argument("--sheet", type=flags.output_file, metavar="FILE", help="also draw a contact sheet (png)")
    _add_limits(parser)
    flags.add_format(parser)
    flags.add_home(parser)


def _verify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="a recording")
    flags.add_home(parser)


def _export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="a recording")
    parser.add_argument("--to", choices=("lerobot",), required=True, help="the format")
    parser.add_argument("folder", type=flags.output_folder, metavar="DIR", help="a folder that does not exist yet")
    flags.add_home(parser)


ACTIONS = {
    "make": Action(_make, make),
    "import": Action(_import, import_),
    "inspect": Action(_inspect, inspect),
    "verify": Action(_verify, verify),
    "export": Action(_export, export),
}
