"""`results ls`: what is in a store, narrowed by kind and words, with scores."""

from __future__ import annotations

import json
from typing import Any

import pytest

from benchmark.cli.main import main
from benchmark.storage.artifacts import Store


@pytest.fixture
def filled(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Two rollouts and a fit, of which only manifests exist."""
    labels = {
        ("rollout", "a1"): ("rollouts knn · dynamo · pusht · seed 0", 0.25),
        ("rollout", "b2"): ("rollouts knn · byol · kitchen · seed 0", 2.0),
        ("fit", "c3"): ("fit knn · dynamo · pusht · seed 0", None),
    }

    class FakeManifest:
        files: dict[str, Any] = {}
        finished = "2026-01-01"

        def __init__(self, label: str, score: float | None):
            self.label, self.summary = label, {} if score is None else {"mean_score": score}

    monkeypatch.setattr(Store, "places", lambda self, kind: sorted(key for of, key in labels if of == kind))
    monkeypatch.setattr(Store, "manifest", lambda self, kind, key: FakeManifest(*labels[kind, key]))
    return store


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        ([], ["c3", "a1", "b2"]),
        (["dynamo"], ["c3", "a1"]),
        (["dynamo", "pusht", "--kind", "rollout"], ["a1"]),
        (["dynamo", "kitchen"], []),
    ],
)
def test_it_is_narrowed_by_words_and_kind(
    filled: Store, words: list[str], keys: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["results", "ls", *words, "--format", "json", "--home", str(filled.root)]) == 0
    assert sorted(row["key"] for row in json.loads(capsys.readouterr().out)) == sorted(keys)


def test_rollouts_show_their_score(filled: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["results", "ls", "--home", str(filled.root)]) == 0
    lines = {line.split()[1]: line for line in capsys.readouterr().out.splitlines()[:-1]}
    assert " 0.25 " in lines["a1"]
    assert " 2.00 " in lines["b2"]
    assert " 0.25 " not in lines["c3"]
