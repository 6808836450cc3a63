"""Look after the store: list, show, verify, redo, export, clean up."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from benchmark.cli import flags
from benchmark.cli.parser import Action, add_actions
from benchmark.core.errors import BenchmarkError, Corrupt, Unreadable
from benchmark.core.names import parse_row, row_label
from benchmark.storage.artifacts import KINDS, Store

if TYPE_CHECKING:
    from benchmark.planning.graph import Plan

REPAIR = "; add --repair to set the others aside, then run again to rebuild them"


def arguments(parser: argparse.ArgumentParser) -> None:
    add_actions(parser, ACTIONS)


def run(options: argparse.Namespace) -> int:
    return ACTIONS[options.action].run(options)


def ls(options: argparse.Namespace) -> int:
    """List the artifacts in the store, with their sizes, and of rollouts the mean score."""
    from benchmark.cli.printing import counted, fitting
    from benchmark.core.progress import size

    store = Store(options.home)
    rows: list[dict[str, Any]] = []
    for kind in [options.kind] if options.kind else KINDS:
        for key in store.places(kind):
            row: dict[str, Any] = {"kind": kind, "key": key, "label": "", "score": None, "bytes": 0}
            row |= {"finished": "", "error": None}
            try:
                manifest = store.manifest(kind, key)
            except Corrupt as error:
                rows.append({**row, "error": str(error)})
                continue
            words = manifest.label.split(" · ")
            if not all(any(part in word for word in words) for part in options.match):
                continue
            total, score = sum(entry.bytes for entry in manifest.files.values()), manifest.summary.get("mean_score")
            rows.append({**row, "label": manifest.label, "score": score, "bytes": total, "finished": manifest.finished})
    if options.format == "json":
        print(json.dumps(rows, indent=1))
    else:
        for row in rows:
            name = f"{row['kind']:<9} {row['key'][:10]}  "
            if row["error"]:
                print(f"{name}damaged: {row['error']}")
                continue
            score = "" if row["score"] is None else f"{row['score']:.2f}"
            print(fitting(name, row["label"], f" {score:>6} {size(row['bytes']):>9}  {row['finished']}"))
        print(f"{counted(len(rows), 'artifact')}, {size(sum(r['bytes'] for r in rows))} in {store.root}")
    return 0


def show(options: argparse.Namespace) -> int:
    """Print the manifest of one artifact, as JSON: its recipe, inputs, summary, files and provenance."""
    store = Store(options.home)
    manifest = store.manifest(*store.find(options.key))
    print(json.dumps(manifest.to_json(), indent=1))
    return 0


def verify(options: argparse.Namespace) -> int:
    """Check every file in the store against its checksum. What is damaged can be set aside; the next run makes it again."""
    store = Store(options.home)
    rows: list[dict[str, Any]] = []
    damaged: list[tuple[str, str]] = []
    for kind in KINDS:
        for key in store.places(kind):
            error = None
            try:
                store.manifest(kind, key)
                store.verify(kind, key)
            except Corrupt as reason:
                error = str(reason)
                damaged += [] if isinstance(reason, Unreadable) else [(kind, key)]
            rows.append({"kind": kind, "key": key, "error": error})
    corrupt, notes = [row for row in rows if row["error"]], store.damaged_notes()
    moved = []
    if options.repair:
        moved = [str(store.prepare().quarantine(*place)) for place in damaged]
        moved += [str(store.set_aside(path)) for path in notes]
    if options.format == "json":
        print(json.dumps(rows, indent=1))
    else:
        for row in corrupt:
            print(f"corrupt: {row['error']}")
        for path in notes:
            print(f"corrupt: {path} is no JSON object")
        for target in moved:
            print(f"moved to {target}")
        advice = "" if not corrupt else "; run again to rebuild the others" if options.repair else REPAIR
        print(f"{len(rows) - len(corrupt)} of {len(rows)} artifacts are whole{advice}")
    return 1 if corrupt or notes else 0


def redo(options: argparse.Namespace) -> int:
    """Set artifacts aside with all that was made from them: the next run makes them again."""
    from benchmark.storage.cleanup import with_dependents

    store = Store(options.home).prepare()
    for kind, key in with_dependents(store, [store.find(prefix) for prefix in options.keys]):
        with store.claims.try_hold(kind, key) as held:
            what = f"moved to {store.quarantine(kind, key)}" if held else "is being built; left alone"
            print(f"{kind}/{key}: {what}")
    return 0


def export(options: argparse.Namespace) -> int:
    """Write the results of a matrix as CSV files small enough to commit; `--records` of other verbs reads them.

    Given such folders itself, it joins them: the results of several machines become one.
    """
    from benchmark.cli.selection import results
    from benchmark.results.export import export

    episodes = export(results(options), options.folder, replace=options.replace)
    print(f"{episodes} episodes in {options.folder}")
    return 0


def export_encoder(options: argparse.Namespace) -> int:
    """Write the encoder of a row for others: safetensors, a card, and the lines of timm or torch that load it without this.

    The row need not be of the last run: its settings, environment and preset are taken from there unless they are named.
    """
    from benchmark.results.encoders import choose, export_encoder

    plan, store = _plan(options)
    cell = choose(plan, store, options.row, options.env, options.policy, options.seed)
    for line in export_encoder(plan, store, cell, options.output):
        print(line)
    return 0


def export_policy(options: argparse.Namespace) -> int:
    """Write the policy of a row with its encoder, for `hub push` and `benchmark.load_policy`."""
    from benchmark.results.encoders import choose, export_policy

    plan, store = _plan(options)
    cell = choose(plan, store, options.row, options.env, options.policy, options.seed)
    if not store.has("fit", cell.stages["fit"]):
        raise BenchmarkError(f"{cell.label} has no policy in {store.root}: `python -m benchmark run` with it trains one")
    print(export_policy(plan, store, cell, options.output))
    return 0


def _plan(options: argparse.Namespace) -> tuple[Plan, Store]:
    from benchmark.cli.selection import plan_of_last

    store = Store(options.home).prepare()
    plan = plan_of_last(options, store)
    if options.methods is None and row_label(*parse_row(options.row)) not in {cell.id.row for cell in plan.cells}:
        options.methods = [options.row]
        plan = plan_of_last(options, store)
    return plan, store


def gc(options: argparse.Namespace) -> int:
    """Remove what the last run of each matrix no longer needs: superseded artifacts, work on them, quarantine."""
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
        print(json.dumps({"folders": [str(i.path) for i in items], "bytes": total, "deleted": options.yes}, indent=1))
    else:
        for item in items:
            print(item.path.relative_to(store.root))
        verb = "deleted" if options.yes else "would be deleted (add --yes)"
        print(f"{len(items)} files and folders, {size(total)}: {verb}")
    for item in items if options.yes else []:
        remove(store, item)
    return 0


def _store(parser: argparse.ArgumentParser) -> None:
    flags.add_format(parser)
    flags.add_home(parser)


def _ls(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("match", nargs="*", metavar="WORD", help="only those whose label has each of these: dynamo pusht")
    parser.add_argument("--kind", choices=KINDS, help="only of one kind")
    _store(parser)


def _show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("key", help="a key or the beginning of one")
    flags.add_home(parser)


def _verify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repair", action="store_true", help="move what is damaged into quarantine/")
    _store(parser)


def _redo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("keys", nargs="+", metavar="KEY", help="keys or the beginnings of keys, as `results ls` shows them")
    flags.add_home(parser)


def _export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=flags.output_folder, help="where to write")
    parser.add_argument("--replace", action="store_true", help="even an older export that holds cells which this one has not")
    flags.add_records(parser)


def _taken(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("row", help="as the table calls it, e.g. dynamo or timm:resnet34@random")
    parser.add_argument("--output", type=flags.output_folder, required=True, metavar="DIR", help="where to write")
    parser.add_argument("--env", help="whose, where the row was trained in several")
    parser.add_argument("--policy", help="which, where the encoder learned with several")
    parser.add_argument("--seed", type=int, help="the training seed (default: the first)")
    flags.add_matrix(parser, default_from_last=True)


def _gc(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="delete; without it, only say what would go")
    _store(parser)


ACTIONS = {
    "ls": Action(_ls, ls),
    "show": Action(_show, show),
    "verify": Action(_verify, verify),
    "redo": Action(_redo, redo),
    "export": Action(_export, export),
    "export-encoder": Action(_taken, export_encoder),
    "export-policy": Action(_taken, export_policy),
    "gc": Action(_gc, gc),
}
