"""The verbs of `data` that deal with recordings. A docstring here is that verb's help."""

from __future__ import annotations

import argparse
import json

from benchmark.console import Reporter
from benchmark.data.episodes import open_demos
from benchmark.importers import inspect as inspection
from benchmark.importers import recordings
from benchmark.importers.lerobot_export import export
from benchmark.importers.source import REPRESENTATIONS
from benchmark.store import Store

ACTION_MEANINGS = REPRESENTATIONS[:2]


def data_import(options: argparse.Namespace) -> int:
    """Import recordings: DynaMo's release, Diffusion Policy zarr, LeRobot v3, RLDS, HDF5, or a folder of videos and arrays.

    They are streamed into the store, checked and checksummed; run it again and it goes on after the last episode. What the
    source does not say of its rate and of its actions can be said here; nothing is guessed.
    """
    store = _store(options)
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
    summary = store.manifest(recordings.KIND, name)["summary"]
    print(f"{summary['episodes']} episodes, {summary['frames']} frames\n{folder}")
    return 0


def data_inspect(options: argparse.Namespace) -> int:
    """Say what a recording holds: counts, sizes, rates, ranges of actions. A path that is not imported yet will do as well."""
    facts, demos = inspection.inspect(_store(options), options.what)
    if options.sheet:
        inspection.contact_sheet(demos, options.sheet)
    print(json.dumps(facts, indent=1) if options.format == "json" else inspection.text(facts))
    return 0


def data_verify(options: argparse.Namespace) -> int:
    """Check a recording against its checksums, and the files it was imported from against theirs."""
    print(recordings.verify(_store(options), options.name))
    return 0


def data_export(options: argparse.Namespace) -> int:
    """Write a recording in a format that other tools read: LeRobotDataset v3."""
    store = _store(options)
    demos = open_demos(recordings.find(store, options.name))
    actions = store.manifest(recordings.KIND, options.name)["request"]["description"]["actions"]
    export(demos, actions, options.name, options.folder)
    print(options.folder)
    return 0


def _store(options: argparse.Namespace) -> Store:
    store = Store(options.home)
    store.prepare()
    return store
