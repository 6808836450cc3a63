"""What a repository of the hub says of itself: the README of an exported encoder, policy or folder of results."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmark.core.errors import BenchmarkError
from benchmark.report.inputs import TableInputs
from benchmark.report.render import render
from benchmark.report.tables import build
from benchmark.results.encoders import CARD, read_card
from benchmark.results.export import PROVENANCE, load
from benchmark.results.options import Options
from benchmark.results.view import ResultsView

LICENCES = {"MIT": "mit", "Apache-2.0": "apache-2.0", "apache-2.0": "apache-2.0", "BSD-3-Clause": "bsd-3-clause"}  # hub's names
LICENCES["CC-BY-NC-4.0"] = "cc-by-nc-4.0"


def kind_of(folder: Path) -> str:
    """What of the hub a folder is: model or dataset."""
    if (folder / CARD).is_file():
        return "model"
    if (folder / PROVENANCE).is_file():
        return "dataset"
    exported = "results export-encoder, results export-policy and results export write some"
    raise BenchmarkError(f"{folder} holds neither an exported encoder or policy nor exported results: {exported}")


def readme(folder: Path, repository: str) -> str:
    """Of an encoder or a policy every file is compared with its checksum on the way."""
    return _of_model(read_card(folder), repository) if kind_of(folder) == "model" else _of_results(folder, repository)


def _of_model(card: Mapping[str, Any], repository: str) -> str:
    licence = LICENCES.get(card["licence"], "other")
    in_timm = "config.json" in card["files"]
    front = ["---", f"license: {licence}", *([f"license_name: {json.dumps(card['licence'])}"] if licence == "other" else [])]
    front += [f"library_name: {'timm' if in_timm else 'pytorch'}", "pipeline_tag: image-feature-extraction", "---"]
    return "\n".join(
        [
            *front,
            f"# {repository}",
            "",
            f"The {card['kind']} `{card['row']}` of encoder-benchmark, preset {card['preset']}, training seed {card['seed']}, "
            f"on demonstrations of {card['env']} ({card['data']['episodes']} episodes, {card['data']['frames']} frames, "
            f"{card['data']['source']}). Source: {card['source'] or 'not stated'}. Licence of its weights: {card['licence']}.",
            "",
            *_scores(card),
            "",
            *_usage(card, repository, in_timm),
            "",
            f"`{CARD}` has the whole recipe, the data, versions and commit, and the sha256 of each file.",
            "",
        ]
    )


def _scores(card: Mapping[str, Any]) -> list[str]:
    lines = ["| environment | policy | score | interval | episodes | seeds |", "|---|---|---|---|---|---|"]
    for s in card["scores"]:
        interval = f"{s['low']:.2f} to {s['high']:.2f} ({s['level']:.0%}, {s['covers']})"
        lines.append(f"| {s['env']} | {s['policy']} | {s['estimate']:.2f} | {interval} | {s['episodes']} | {s['seeds']} |")
    return lines if card["scores"] else ["It was not evaluated."]


def _usage(card: Mapping[str, Any], repository: str, in_timm: bool) -> list[str]:
    if card["kind"] == "policy":
        lines = ["import benchmark as bm", 'encoder, agent = bm.load_policy("FOLDER")']
    else:
        lines = [line.replace("local-dir:FOLDER", f"hf-hub:{repository}") for line in card["usage"]]
    row = [f"In encoder-benchmark: `--methods hf:{repository},hf:{repository}@random`."] if in_timm else []
    where = [] if in_timm else ["FOLDER is where `hf download` or `python -m benchmark hub pull` put it."]
    return ["```python", *lines, "```", "", *where, *row]


def _of_results(folder: Path, repository: str) -> str:
    results = load(folder)
    table = render(build("main", TableInputs(Options(), [ResultsView(results)])), "md", terminal=False)
    front = ["---", "configs:", *(f"- config_name: {n}\n  data_files: {n}.csv" for n in ("records", "cells")), "---"]
    reading = f"`python -m benchmark hub pull {repository} FOLDER --dataset`, then `table main --records FOLDER`."
    text = (
        f"{len(results.records)} evaluation episodes of encoder-benchmark; `{PROVENANCE}` says where each comes from. {reading}"
    )
    return "\n".join([*front, f"# {repository}", "", text, "", table, ""])
