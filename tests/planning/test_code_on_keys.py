"""Nothing stale is served: a changed line of code changes the keys of what it computes, and no other key.

In a process of its own, on a copy of the code: everything is imported once, then each change is written, planned for in a fork
that has read no source file yet, and taken back.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("benchmark", "methods", "policies", "envs")
CHANGES = {  # a line of code behind what the name says
    "method": ("methods/byol.py", '    name = "byol"\n', '    name = "byol"\n    colour = "red"\n'),
    "loss": ("benchmark/models/losses.py", "    return 1 - F.cosine", "    return 2 - F.cosine"),
    "policy": ("policies/mlp.py", '    name = "mlp"\n', '    name = "mlp"\n    colour = "red"\n'),
    "tokenizer": ("policies/_shared/residual_vq.py", "COMMITMENT = 5.0", "COMMITMENT = 4.0"),
    "stage": ("benchmark/stages/tokenize.py", "on_cpu(tokenizer", "dict(on_cpu(tokenizer"),
    "acting": ("benchmark/simulation/agent.py", "planned.mean(1,", "planned.mean(axis=1,"),
    "environment": ("envs/pusht/__init__.py", '    name = "pusht"\n', '    name = "pusht"\n    colour = "red"\n'),
    "comment": ("methods/byol.py", '    name = "byol"\n', '    # of the paper\n    name = "byol"\n'),
}
PLANNER = """
import contextlib, io, json, os, sys, traceback
from pathlib import Path
import benchmark.cli.main as cli
from benchmark import registry
for kind in (registry.methods, registry.policies, registry.envs):
    for name in kind().names():
        kind().get(name)
import benchmark.planning.graph

def plan():
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        arguments = ["--methods", "byol,random", "--envs", "pusht", "--policies", "mlp,knn,vqbet", "--preset", "smoke"]
        assert cli.main(["plan", *arguments, "--home", "runs", "--format", "json"]) == 0
    cells = json.loads(out.getvalue())["cells"]
    return {f"{c['method']} {c['policy']} {kind}": key for c in cells for kind, key in c["stages"].items()}

def apart(function):
    read, write = os.pipe()
    if os.fork() == 0:
        code = 1
        try:
            with os.fdopen(write, "w") as file:
                json.dump(function(), file)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    os.close(write)
    with os.fdopen(read) as file:
        text = file.read()
    assert os.wait()[1] == 0, 'the plan failed'
    return json.loads(text)

plans = {"nothing": apart(plan)}
for name, (path, before, after) in json.loads(sys.argv[1]).items():
    text = Path(path).read_text()
    assert before in text, f"{name}: {path} has no {before!r}"
    Path(path).write_text(text.replace(before, after, 1))
    plans[name] = apart(plan)
    Path(path).write_text(text)
print(json.dumps(plans))
"""


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """For each change the stages, as `method policy kind`, whose keys it changes."""
    copy = tmp_path_factory.mktemp("copy")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, copy / package, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    environment = {**os.environ, "PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", PLANNER, json.dumps(CHANGES)]
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    plans = json.loads(done.stdout)
    base = plans.pop("nothing")
    assert base
    return {name: {stage for stage, key in plan.items() if base[stage] != key} for name, plan in plans.items()}


def stages(methods: str, policies: str, kinds: str) -> set[str]:
    return {f"{method} {policy} {kind}" for method in methods.split() for policy in policies.split() for kind in kinds.split()}


AFTER_DEMOS = "pretrain embed probe fit rollout"


@pytest.mark.parametrize("change", ["method", "loss"])
def test_code_behind_a_method_changes_its_stages_and_nobody_elses(changed: dict[str, set[str]], change: str) -> None:
    assert changed[change] == stages("byol", "mlp knn vqbet", AFTER_DEMOS)


def test_code_of_a_policy_changes_its_fits_and_rollouts(changed: dict[str, set[str]]) -> None:
    assert changed["policy"] == stages("byol random", "mlp", "fit rollout")


@pytest.mark.parametrize("change", ["tokenizer", "stage"])
def test_code_of_a_tokenizer_changes_it_and_the_fits_of_all_encoders(changed: dict[str, set[str]], change: str) -> None:
    assert changed[change] == stages("byol random", "vqbet", "tokenize fit rollout")


def test_code_of_acting_changes_no_fit(changed: dict[str, set[str]]) -> None:
    assert changed["acting"] == stages("byol random", "mlp knn vqbet", "rollout")


def test_code_of_an_environment_changes_everything(changed: dict[str, set[str]]) -> None:
    assert changed["environment"] == stages("byol random", "mlp knn vqbet", f"demos {AFTER_DEMOS}") | stages(
        "byol random", "vqbet", "tokenize"
    )


def test_a_comment_changes_nothing(changed: dict[str, set[str]]) -> None:
    assert changed["comment"] == set()
