"""Look after the store: list, show, verify, export, clean up."""

from __future__ import annotations

import argparse
import json
from typing import Any

from benchmark.cli import flags
from benchmark.cli.parser import Action, add_actions
from benchmark.core.errors import Corrupt
from benchmark.storage.artifacts import KINDS, Store


def arguments(parser: argparse.ArgumentParser) -> None:
    add_actions(parser, ACTIONS)


def run(options: argparse.Namespace) -> int:
    return ACTIONS[options.action].run(options)


def ls(options: argparse.Namespace) -> int:
    """List the artifacts in the store, with their sizes."""
    from benchmark.core.progress import size

    store = Store(options.home).prepare()
    rows: list[dict[str, Any]] = []
    for kind in KINDS:
        for key in store.keys(kind):
            manifest = store.manifest(kind, key)
            total = sum(entry.bytes for entry in manifest.files.values())
            rows.append({"kind": kind, "key": key, "label": manifest.label, "bytes": total, "finished": manifest.finished})
    if options.format == "json":
        print(json.dumps(rows, indent=1))
    else:
        for row in rows:
            print(f"{row['kind']:<9} {row['key'][:10]}  {row['label']:<56} {size(row['bytes']):>9}  {row['finished']}")
        print(f"{len(rows)} artifacts, {size(sum(r['bytes'] for r in rows))} in {store.root}")
    return 0


def show(options: argparse.Namespace) -> int:
    """Print the manifest of one artifact: its recipe, inputs, summary, files and provenance."""
    store = Store(options.home).prepare()
    manifest = store.manifest(*store.find(options.key))
    print(json.dumps(manifest.to_json(), indent=1))
    return 0


def verify(options: argparse.Namespace) -> int:
    """Check every file in the store against its checksum."""
    store = Store(options.home).prepare()
    rows = []
    for kind in KINDS:
        for key in store.keys(kind):
            try:
                store.verify(kind, key)
                rows.append({"kind": kind, "key": key, "error": None})
            except Corrupt as error:
                rows.append({"kind": kind, "key": key, "error": str(error)})
    corrupt = [row for row in rows if row["error"]]
    if options.format == "json":
        print(json.dumps(rows, indent=1))
    else:
        for row in corrupt:
            print(f"corrupt: {row['error']}")
        advice = "; run again to rebuild the others" if corrupt else ""
        print(f"{len(rows) - len(corrupt)} of {len(rows)} artifacts are whole{advice}")
    return 1 if corrupt else 0


def export(options: argparse.Namespace) -> int:
    """Write the results of a matrix as CSV files small enough to commit; `--records` of other verbs reads them.

    Given such folders itself, it joins them: the results of several machines become one.
    """
    from benchmark.cli.selection import results
    from benchmark.results.export import export

    episodes = export(results(options), options.folder)
    print(f"{episodes} episodes in {options.folder}")
    return 0


def gc(options: argparse.Namespace) -> int:
    """Remove what the last run of each matrix no longer needs: superseded artifacts, quarantine, unfinished work."""
    from benchmark.core.progress import size
    from benchmark.planning.history import plans
    from benchmark.planning.recipes import visualize_stages
    from benchmark.storage.cleanup import removable, remove

    store = Store(options.home).prepare()
    wanted: set[str] = set()
    for plan in plans(store):
        wanted |= {*plan.stages, *(stage.key for stage in visualize_stages(plan).values())}
    items = removable(store, wanted)
    total = sum(item.bytes for item in items)
    if options.format == "json":
        print(json.dumps({"folders": [str(i.folder) for i in items], "bytes": total, "deleted": options.yes}, indent=1))
    else:
        for item in items:
            print(item.folder.relative_to(store.root))
        verb = "deleted" if options.yes else "would be deleted (add --yes)"
        print(f"{len(items)} folders, {size(total)}: {verb}")
    for item in items if options.yes else []:
        remove(store, item)
    return 0


def _store(parser: argparse.ArgumentParser) -> None:
    flags.add_format(parser)
    flags.add_home(parser)


def _show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("key", help="a key or the beginning of one")
    _store(parser)


def _export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=flags.output_folder, help="where to write")
    flags.add_records(parser)


def _gc(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="delete; without it, only say what would go")
    _store(parser)


ACTIONS = {
    "ls": Action(_store, ls),
    "show": Action(_show, show),
    "verify": Action(_store, verify),
    "export": Action(_export, export),
    "gc": Action(_gc, gc),
}
