"""The trained encoder, or policy, of a row: found, loaded, and written with a card that says what it is.

card.json holds the recipe, the data, the scores with their intervals, the licence and where it comes from; with the sha256 of
each file it can be checked wherever it went.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmark import registry
from benchmark.contracts.data import DataSpec
from benchmark.core.errors import BenchmarkError, Corrupt, UnknownName
from benchmark.core.names import parse_row, plain_name, row_label
from benchmark.core.typed import from_json
from benchmark.data.episodes import open_demos
from benchmark.models import portable
from benchmark.models.imagenet import RESNET18_IMAGENET
from benchmark.planning.graph import Plan, RunCell
from benchmark.results.bundle import Results
from benchmark.results.gather import collect
from benchmark.results.options import Column, RowId
from benchmark.results.view import ResultsView
from benchmark.stages.base import Artifact
from benchmark.stages.load.agent import load_acting
from benchmark.stages.load.encoder import load_encoder
from benchmark.stages.params import demos, pretrain
from benchmark.storage.artifacts import MANIFEST, Store
from benchmark.storage.files import checksum, verify_files, write_text
from benchmark.storage.manifests import Manifest

CARD = "card.json"
SCHEMA = 1


def choose(
    plan: Plan, store: Store, row: str, env: str | None = None, policy: str | None = None, seed: int | None = None
) -> RunCell:
    """The cell of a row whose encoder is wanted: the first of its seeds; of several environments one has to be named."""
    label = row_label(*parse_row(row))
    env, policy = (name and plain_name(name) for name in (env, policy))
    cells = [cell for cell in plan.cells if cell.id.row == label and not cell.refused]
    if not cells:
        raise UnknownName("row", row, {cell.id.row for cell in plan.cells if not cell.refused})
    for what, wanted in (("env", env), ("policy", policy), ("seed", seed)):
        there = list(dict.fromkeys(getattr(cell.id, what) for cell in cells))
        if wanted is not None:
            cells = [cell for cell in cells if getattr(cell.id, what) == wanted]
            if not cells:
                raise UnknownName(f"{what} of {label}", str(wanted), map(str, there))
        elif what == "env" and len(there) > 1:
            raise BenchmarkError(f"{label} was trained in {', '.join(there)}: name one with --env")
        elif what == "policy" and len(there) > 1 and len({cell.stages["fit"] for cell in cells if _joint(plan, cell)}) > 1:
            raise BenchmarkError(f"{label} learned with {', '.join(there)}: name one with --policy")
    cell = cells[0]
    kind = "fit" if _joint(plan, cell) else "pretrain"
    if not store.has(kind, cell.stages[kind]):
        raise BenchmarkError(f"{cell.label} is not trained in {store.root}: `python -m benchmark run` with it does")
    return cell


def _joint(plan: Plan, cell: RunCell) -> bool:
    return plan.stages[cell.stages["fit"]].params.joint is not None


def _artifact(plan: Plan, store: Store, cell: RunCell, kind: str) -> Artifact:
    return Artifact.open(store, plan.stages[cell.stages[kind]].ref)


def encoder_of(plan: Plan, store: Store, cell: RunCell) -> Any:
    """The encoder that acts, frozen, on the CPU."""
    spec = open_demos(_artifact(plan, store, cell, "demos").folder).spec
    pretrained = _artifact(plan, store, cell, "pretrain")
    if not _joint(plan, cell):
        return load_encoder(pretrained, spec)
    checkpoint = plan.configs[cell.id.env].rollout.checkpoint
    fitted = _artifact(plan, store, cell, "fit")
    encoder, _ = load_acting(fitted, plan.acting(cell), pretrained, spec, checkpoint, "cpu")
    return encoder.eval().requires_grad_(False)


def export_encoder(plan: Plan, store: Store, cell: RunCell, folder: Path) -> Sequence[str]:
    """Write it; returns the lines of timm or torch that load it."""
    _refuse_other(folder)
    resolution = open_demos(_artifact(plan, store, cell, "demos").folder).spec.resolution
    encoder = encoder_of(plan, store, cell)
    written = portable.write(encoder, folder, resolution)
    shapes = {name: list(shape) for name, shape in encoder.feature_shapes(resolution).items()}
    about = {"usage": list(written.lines), "resolution": resolution, "features": shapes}
    _write_card(plan, store, cell, folder, "encoder", written.files, about)
    return [line.replace("FOLDER", str(folder.absolute())) for line in written.lines]


def export_policy(plan: Plan, store: Store, cell: RunCell, folder: Path) -> Path:
    """The policy of a cell with its encoder, as their artifacts: `load_policy` reads them."""
    _refuse_other(folder)
    for kind in ("pretrain", "fit"):
        shutil.rmtree(folder / kind, ignore_errors=True)  # of an earlier export
        shutil.copytree(_artifact(plan, store, cell, kind).folder, folder / kind)
    spec = open_demos(_artifact(plan, store, cell, "demos").folder).spec
    parts = (path for kind in ("pretrain", "fit") for path in (folder / kind).rglob("*"))
    files = sorted(path.relative_to(folder).as_posix() for path in parts if path.is_file())
    about = {"spec": asdict(spec), "checkpoint": plan.configs[cell.id.env].rollout.checkpoint}
    about["features"] = plan.configs[cell.id.env].embed.features
    _write_card(plan, store, cell, folder, "policy", files, about)
    return folder


def _refuse_other(folder: Path) -> None:
    if folder.is_dir() and any(folder.iterdir()) and not (folder / CARD).is_file():
        raise BenchmarkError(f"{folder} is not empty, and no earlier export: name another --output")


def read_card(folder: Path) -> dict[str, Any]:
    """Of an exported encoder or policy, after every file of it has been compared with its checksum."""
    path = folder / CARD
    if not path.is_file():
        raise BenchmarkError(f"{path} is missing: `python -m benchmark results export-encoder ROW --output {folder}` writes it")
    try:
        card = json.loads(path.read_text())
        files = dict(card["files"])
    except (ValueError, KeyError, TypeError) as error:
        raise Corrupt(f"{path} cannot be read: {error}") from error
    verify_files(folder, files, CARD)
    return card


def _write_card(
    plan: Plan, store: Store, cell: RunCell, folder: Path, kind: str, files: Sequence[str], about: dict[str, Any]
) -> None:
    pretrained, recorded = store.manifest("pretrain", cell.stages["pretrain"]), store.manifest("demos", cell.stages["demos"])
    params, fitted = pretrained.params_as(pretrain.Params), store.manifest("fit", cell.stages["fit"])
    method = registry.methods().get(cell.id.method)
    config: Any = from_json(method.Config, params.config)
    policy = {"fit": fitted.params, "acting": plan.acting(cell)}
    card = {
        "schema": SCHEMA,
        "kind": kind,
        "row": cell.id.row,
        **asdict(cell.id),
        "preset": plan.preset,
        "source": method.source,
        "licence": method.licence(config) or (RESNET18_IMAGENET.licence if config.init == "imagenet" else "none: trained here"),
        **about,
        "recipe": {"pretrain": pretrained.params, **(policy if kind == "policy" or _joint(plan, cell) else {})},
        "learned": pretrained.summary,
        "data": {"demonstrations": recorded.params_as(demos.Params).config, **asdict(recorded.summary_as(demos.Summary))},
        "scores": _scores(plan, store, cell),
        "provenance": {
            "keys": {name: cell.stages[name] for name in ("demos", "pretrain", "fit", "rollout")},
            "code": pretrained.code,
            "libraries": pretrained.libraries,
            "machine": pretrained.machine,
            "finished": pretrained.finished,
            **pretrained.provenance,
        },
        "files": {name: checksum(folder / name) for name in files},
    }
    write_text(folder / CARD, json.dumps(card, indent=1) + "\n")


def _scores(plan: Plan, store: Store, cell: RunCell) -> list[dict[str, Any]]:
    """Of the row everywhere in the plan: all seeds, with the interval that tables show."""
    view = ResultsView(Results(*collect(plan, store)))
    row = RowId(cell.id.method, cell.id.variant)
    return [score for column in view.columns if (score := score_of(view, column, row))]


def score_of(view: ResultsView, column: Column, row: RowId) -> dict[str, Any] | None:
    """One number of a table with its interval; None where there is none."""
    interval = view.interval(column, row)
    if interval is None:
        return None
    groups = view.groups(column, row)
    return {
        **column._asdict(),
        "metric": view.options.metric,
        **asdict(interval),
        "level": view.options.level,
        "seeds": len(groups),
        "episodes": sum(map(len, groups)),
    }


def load_policy(folder: Path) -> tuple[Any, Any]:
    """(encoder, agent) of an exported policy."""
    card = read_card(folder)
    if card["kind"] != "policy":
        raise BenchmarkError(f"{folder} holds an {card['kind']}, not a policy")
    spec = DataSpec.from_json(card["spec"])
    pretrained, fitted = (
        Artifact(folder / kind, Manifest.read((folder / kind / MANIFEST).read_bytes())) for kind in ("pretrain", "fit")
    )
    acting = card["recipe"].get("acting", {})  # there were none when fits held all settings
    return load_acting(fitted, acting, pretrained, spec, card["checkpoint"], "cpu")
