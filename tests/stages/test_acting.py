"""One fit serves several ways of acting, and a policy acts in the way that its rollout names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmark.cli.main import main
from benchmark.core.errors import BenchmarkError
from benchmark.data.episodes import open_demos
from benchmark.planning.recipes import make_plan
from benchmark.planning.request import Request
from benchmark.policies.mlp import MLP
from benchmark.stages.base import Artifact
from benchmark.stages.load.agent import load_acting
from benchmark.stages.params.fit import LAST
from benchmark.storage.artifacts import Store
from benchmark.storage.records import read_records

FLAGS = ["--methods", "state", "--envs", "toy", "--policies", "mlp,vqbet", "--preset", "smoke", "--quiet"]
SMALL = ["fit.steps=3", "machine.threads=1", "machine.workers=0"]


@pytest.mark.usefixtures("toy")
def test_another_way_of_acting_trains_nothing_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plans of four steps, of which one or four are taken: so many times does the policy act."""
    calls = []
    act = MLP.act

    def counted(self: Any, *args: Any) -> Any:
        calls.append(self.config.execute)
        return act(self, *args)

    monkeypatch.setattr(MLP, "act", counted)
    steps, counts, stored = {}, {}, set()
    for execute in (1, 4):
        overrides = [*SMALL, f"policy.mlp.execute={execute}", f"policy.vqbet.temperature={execute}"]
        assert main(["run", "--home", str(tmp_path), *FLAGS, *overrides]) == 0
        plan = make_plan(Request(["state"], ["toy"], ["mlp", "vqbet"], preset="smoke", overrides=overrides))
        store = Store(tmp_path)
        for cell in plan.cells:
            of = {kind: Artifact.open(store, plan.stages[key].ref) for kind, key in cell.stages.items()}
            spec = open_demos(of["demos"].folder).spec
            _, agent = load_acting(of["fit"], plan.acting(cell), of["pretrain"], spec, LAST, "cpu")
            asked = plan.configs["toy"].policy[cell.id.policy]
            assert agent.policy.config.split() == asked.split(), "nothing of the recipe is lost"
            if cell.id.policy == "mlp":
                steps[execute] = sum(record.steps for record in read_records(of["rollout"].folder))
        counts[execute] = len(calls)
        assert set(calls) == {execute}
        calls.clear()
        stored.add(tuple(len(store.keys(kind)) for kind in ("tokenize", "fit", "rollout")))
    assert stored == {(1, 2, 2), (1, 2, 4)}
    assert counts[4] / steps[4] < 0.5 * counts[1] / steps[1]


@pytest.mark.usefixtures("toy")
def test_what_does_not_fit_together_is_refused_at_loading(tmp_path: Path) -> None:
    assert main(["run", "--home", str(tmp_path), *FLAGS, *SMALL]) == 0
    plan = make_plan(Request(["state"], ["toy"], ["mlp"], preset="smoke", overrides=SMALL))
    (cell,) = plan.cells
    of = {kind: Artifact.open(Store(tmp_path), plan.stages[key].ref) for kind, key in cell.stages.items()}
    spec = open_demos(of["demos"].folder).spec
    for wrong in ({"execute": 9}, {"execute": 2, "ensemble": True}):
        with pytest.raises(BenchmarkError, match="execute"):
            load_acting(of["fit"], wrong, of["pretrain"], spec, LAST, "cpu")
