"""Demonstrations and recordings: make, import, describe, list, inspect, verify, export, rm."""

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
SOURCE_FORMATS = ("dynamo_release", "diffusion_policy_zarr", "lerobot", "rlds", "hdf5", "folder", "demonstrations")
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

    cls = registry.envs().get(options.env)
    options.env = cls.name
    config = compose_config(options.env, preset=options.preset, overrides=options.overrides)
    if options.episodes is not None:
        config.env[options.env] = replace(config.env[options.env], episodes=options.episodes)
    if reason := cls.unavailable_reason(config.env[options.env]):
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
    """Import recordings: DynaMo's release, Diffusion Policy zarr, LeRobot v3, RLDS, HDF5, a folder of videos and arrays, or
    what `data make` left.

    They are streamed into the store, checked and checksummed; run it again and it goes on after the last episode. What the
    source does not say of its rate and of its actions can be said here; nothing is guessed. Where it was recorded in a
    simulator that is known here, its actions are sent again and the distance from its states is printed.

    A folder of several data sets becomes as many recordings, which are checked and get a contact sheet each.
    """
    from benchmark.data.episodes import open_demos
    from benchmark.datasets import recordings
    from benchmark.datasets.budget import Limits
    from benchmark.datasets.files import reading
    from benchmark.datasets.hub import PREFIX, local
    from benchmark.datasets.replay import replay
    from benchmark.datasets.several import data_sets_in

    store = Store(options.home).prepare()
    source = local(options.source)
    if folders := data_sets_in(source, options.format):
        return _import_all(options, store, folders)
    with reading(source):
        called = Path(options.source.partition("@")[0]) if options.source.startswith(PREFIX) else source.resolve()
        name = options.name or called.name.split(".")[0]
    stated = {"hz": options.hz, **_meaning(options)}
    with Reporter(options.quiet).task(f"import {name}") as task:
        folder = recordings.import_recording(
            store,
            source,
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
    print(f"in a table: python -m benchmark run --envs recording:{name}")
    if replayed:
        print(replayed)
    return 0


def _import_all(options: argparse.Namespace, store: Store, folders: list[Path]) -> int:
    import os
    import time

    from benchmark.core.progress import size
    from benchmark.datasets.budget import Limits
    from benchmark.datasets.several import INSPECTED, import_all

    if options.name:
        raise BenchmarkError(
            f"{options.source} holds {len(folders)} data sets, which have names of their own: leave --name out"
        )
    start = time.monotonic()
    with Reporter(options.quiet).task(f"import {len(folders)} data sets") as task:
        done = import_all(
            store,
            folders,
            task,
            jobs=options.jobs or os.cpu_count() or 1,
            format_name=options.format,
            side=options.resolution,
            episodes=options.episodes,
            stated={"hz": options.hz, **_meaning(options)},
            limits=Limits(options.memory_limit, options.time_limit),
        )
    hours, whole = (time.monotonic() - start) / 3600, sum(one.bytes for one in done if not one.error)
    for one in done:
        print(f"{one.name}: {one.error or f'{one.episodes} episodes, {one.frames} frames, {size(one.bytes)}, checked'}")
    print(f"{size(whole)} at {whole / 1e9 / hours:.1f} GB/h; contact sheets and facts: {store.root / INSPECTED}")
    good = [one.name for one in done if not one.error]
    if good:
        print(f"in a table: python -m benchmark run --envs mixture env.mixture.parts=[{','.join(good)}]")
    return 0 if len(good) == len(done) else 1


def describe(options: argparse.Namespace) -> int:
    """Say what the actions of a recording mean, after it was imported: what a mixture needs to know. Nothing else changes."""
    from benchmark.datasets import recordings

    said = recordings.describe(Store(options.home).prepare(), options.name, _meaning(options))
    said["names"] = ", ".join(said.get("names", ())) or "unknown"
    print("\n".join(f"{name:<16}{said[name]}" for name in ("representation", "names", "gripper", "units")))
    return 0


def _meaning(options: argparse.Namespace) -> dict[str, object]:
    """What was said of actions."""
    names = options.names and tuple(name.strip() for name in options.names.split(","))
    return {**{key: getattr(options, key) for key in ("representation", "gripper", "units")}, "names": names}


def inspect(options: argparse.Namespace) -> int:
    """Say what a recording holds: counts, sizes, rates, ranges of actions. A path that is not imported yet will do as well."""
    from benchmark.datasets.budget import Limits
    from benchmark.datasets.hub import local
    from benchmark.datasets.inspect import contact_sheet, inspect, text

    limits = Limits(options.memory_limit, options.time_limit)
    facts, demos = inspect(Store(options.home), str(local(options.what)), options.source_format, limits)
    if options.sheet:
        contact_sheet(demos, options.sheet)
    print(json.dumps(facts, indent=1) if options.format == "json" else text(facts))
    return 0


def list_(options: argparse.Namespace) -> int:
    """List the recordings in the store."""
    from benchmark.cli.printing import print_rows
    from benchmark.core.progress import size
    from benchmark.datasets import recordings

    store = Store(options.home).prepare()
    rows = []
    for name in store.keys(recordings.KIND):
        manifest = recordings.manifest_of(store, name)
        spec, summary = manifest["summary"]["spec"], manifest["summary"]
        rows.append(
            {
                "name": f"recording:{name}",
                "episodes": summary["episodes"],
                "frames": summary["frames"],
                "views": f"{', '.join(spec['views'])} at {spec['resolution']} pixels",
                "hz": f"{spec['hz']:g}",
                "actions": recordings.meaning_of(manifest)["representation"],
                "format": manifest["request"]["format"],
                "size": size(sum(entry["bytes"] for entry in manifest["files"].values())),
            }
        )
    if rows or options.format == "json":
        print_rows(rows, options.format)
    else:
        print(f"no recordings in {store.root}: python -m benchmark data import SOURCE --name NAME")
    return 0


def rm(options: argparse.Namespace) -> int:
    """Remove a recording from the store; the files that it was imported from stay where they are."""
    from benchmark.core.progress import size
    from benchmark.datasets import recordings

    store = Store(options.home).prepare()
    bytes_ = recordings.remove(store, options.name) if options.yes else recordings.bytes_of(store, options.name)
    print(f"{options.name}, {size(bytes_)}: {'removed' if options.yes else 'would be removed (add --yes)'}")
    return 0


def verify(options: argparse.Namespace) -> int:
    """Check a recording against its checksums, and the files it was imported from against theirs."""
    from benchmark.datasets.recordings import verify

    print(verify(Store(options.home), options.name))
    return 0


def export(options: argparse.Namespace) -> int:
    """Write a recording in a format that other tools read: LeRobotDataset v3."""
    from benchmark.data.episodes import open_demos
    from benchmark.datasets import recordings
    from benchmark.datasets.export_lerobot import export

    store = Store(options.home)
    demos = open_demos(recordings.find(store, options.name))
    actions = recordings.meaning_of(store.raw_manifest(recordings.KIND, options.name))
    export(demos, actions, options.name, options.folder)
    print(options.folder)
    return 0


def _add_meaning(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--actions", dest="representation", choices=ACTION_MEANINGS, help="what actions are")
    parser.add_argument("--names", metavar="A,B,...", help="what the numbers of an action are, as x,y,z,roll,pitch,yaw,gripper")
    parser.add_argument("--gripper", help="which values open and close it, as '0 opens, 1 closes'; see docs/mixtures.md")
    parser.add_argument("--units", help="the units of actions")


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
    parser.add_argument("source", help="a file or folder, or hf:ORG/NAME[@REVISION], a data set of the Hub")
    parser.add_argument("--format", choices=formats, default="auto", help="the format (default: auto, by looking)")
    parser.add_argument("--name", help="what to call it here (default: that of the source)")
    parser.add_argument("--resolution", type=int, metavar="N", help="stretch frames to N x N (default: as recorded, if square)")
    parser.add_argument("--episodes", type=int, metavar="N", help="only the first N")
    parser.add_argument("--hz", type=float, help="steps per second")
    _add_meaning(parser)
    parser.add_argument(
        "--jobs", type=int, metavar="N", help="of a folder of data sets, how many at once (default: one per core)"
    )
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


def _describe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="a recording")
    _add_meaning(parser)
    flags.add_home(parser)


def _list(parser: argparse.ArgumentParser) -> None:
    flags.add_format(parser)
    flags.add_home(parser)


def _rm(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="a recording")
    parser.add_argument("--yes", action="store_true", help="remove it; without, only say what would go")
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
    "list": Action(_list, list_),
    "describe": Action(_describe, describe),
    "inspect": Action(_inspect, inspect),
    "verify": Action(_verify, verify),
    "export": Action(_export, export),
    "rm": Action(_rm, rm),
}
