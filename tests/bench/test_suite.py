"""What is measured, by name; what becomes of that which cannot be."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmark import registry
from benchmark.bench import released, suite
from benchmark.bench.case import Bench, Case, lines, need_cuda
from benchmark.bench.ceilings import measure_ceilings
from benchmark.bench.measurement import Measurement, Report
from benchmark.bench.page import SECTIONS
from benchmark.bench.scale import CPU, GPU, QUICK, scale_for
from benchmark.bench.timing import Timer
from benchmark.cli import main as cli
from benchmark.core.errors import BenchmarkError, Unavailable, UnknownName
from tests.bench.sizes import TOY, toy_bench


def nothing(bench: Bench, name: str) -> list[Measurement]:
    return [Measurement(f"{name}/a", "x/s", 1.0, 0.0)]


CASES = [Case(name, nothing) for name in ("pretrain/dynamo@96", "pretrain/dynamo@224", "pretrain/dino@96", "fit/mlp", "store")]


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        ([], [0, 1, 2, 3, 4]),
        (["fit/mlp"], [3]),
        (["pretrain/dynamo"], [0, 1]),
        (["pretrain/dynamo@96", "store"], [0, 4]),
        (["store", "pretrain"], [0, 1, 2, 4]),
        (["ceiling"], []),
    ],
)
def test_a_name_is_that_of_one_measurement_or_of_a_group(only: list[str], expected: list[int]) -> None:
    assert suite.chosen(CASES, only) == [CASES[at] for at in expected]


def test_an_unknown_name_gets_a_suggestion() -> None:
    with pytest.raises(UnknownName, match="unknown measurement 'pretrain/dinamo'; did you mean pretrain/d"):
        suite.chosen(CASES, ["fit/mlp", "pretrain/dinamo"])
    with pytest.raises(UnknownName, match="did you mean store"):
        suite.chosen(CASES, ["stroe"])


def test_the_cases_have_names_of_their_own_in_sections_that_the_page_knows() -> None:
    names = [case.name for case in suite.all_cases(TOY)]
    assert len(names) == len(set(names))
    assert {name.split("/")[0] for name in names} | {"ceiling"} == set(SECTIONS)
    assert {"pretrain/dynamo@32", "fit/vqbet", "fit/knn", "rollout/kitchen", "sampler/chunks", "plan/cells"} <= set(names)
    assert "rollout/recording" not in names, "recordings have no simulator"


def test_a_policy_that_cannot_be_imported_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    policies, get = registry.policies(), registry.policies().get

    def broken(name: str) -> type:
        if name == "mlp":
            raise BenchmarkError("policies/mlp.py cannot be imported")
        return get(name)

    monkeypatch.setattr(policies, "get", broken)
    [case] = [case for case in suite.all_cases(TOY) if case.name.startswith("fit/mlp")]
    [line] = lines(toy_bench(tmp_path), case)
    assert (line.failed, line.reason) == (True, "BenchmarkError: policies/mlp.py cannot be imported")


def test_what_is_not_here_is_a_line_with_the_reason(tmp_path: Path) -> None:
    def absent(bench: Bench, name: str) -> list[Measurement]:
        raise Unavailable("the simulator is not installed. Fix it with: pip install it")

    [line] = lines(toy_bench(tmp_path), Case("rollout/x", absent))
    assert (line.name, line.rate, line.failed) == ("rollout/x", None, False)
    assert line.reason == "the simulator is not installed. Fix it with: pip install it"
    with pytest.raises(Unavailable, match="no CUDA device"):
        need_cuda("cpu")


def test_an_error_is_a_line_and_the_next_case_goes_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(bench: Bench, name: str) -> list[Measurement]:
        raise ValueError("odd\nthing")

    monkeypatch.setattr(suite, "all_cases", lambda scale: [Case("fit/broken", broken), Case("fit/whole", nothing)])
    shown: list[Measurement] = []
    report = suite.run_bench("x", TOY, "cpu", tmp_path, show=shown.append)
    assert list(report.measurements) == shown
    assert [line.name for line in shown[-2:]] == ["fit/broken", "fit/whole/a"]
    assert (shown[-2].reason, shown[-2].failed) == ("ValueError: odd thing", True)
    assert list(tmp_path.iterdir()) == [], "what was written to measure is gone"


def test_ceilings_are_positive_and_a_processor_has_no_tf32(tmp_path: Path) -> None:
    ceilings, measurements = measure_ceilings(TOY, "cpu", Timer(TOY.seconds, 2), tmp_path)
    by_name = {line.name.removeprefix("ceiling/"): line for line in measurements}
    assert set(by_name) == {"product/fp32", "product/tf32", "product/bf16", "copy", "write", "read"}
    assert "no CUDA device" in (by_name.pop("product/tf32").reason or "")
    for line in by_name.values():
        assert math.isfinite(line.rate or math.nan)
        assert (line.rate or 0) > 0
        assert (line.spread or 0) >= 0
    assert by_name["product/fp32"].unit == "TFLOP/s"
    assert ceilings.flops["fp32"] == pytest.approx(1e12 * (by_name["product/fp32"].rate or 0))
    assert ceilings.write == pytest.approx(1e9 * (by_name["write"].rate or 0))
    assert torch.get_float32_matmul_precision() == "highest"


def test_sizes_are_of_the_device_unless_it_has_to_be_quick() -> None:
    assert (scale_for("cuda", False), scale_for("cpu", False)) == (GPU, CPU)
    assert scale_for("cpu", True) == QUICK
    assert scale_for("cuda", True) == replace(QUICK, product=GPU.product)


def test_a_reference_that_cannot_be_used_stops_before_anything_is_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(suite, "all_cases", lambda scale: CASES)
    monkeypatch.setattr(suite, "measure_ceilings", None)
    monkeypatch.setattr(released, "SCRIPTS", tmp_path)
    with pytest.raises(BenchmarkError, match=r"--reference needs scripts/released_\*\.py"):
        suite.run_bench("x", TOY, "cpu", tmp_path, checkout=tmp_path)


def test_the_verb_writes_the_page_and_its_json_and_compares(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rates = iter([1.0, 3.0])

    def run_bench(command, scale, device, disk, only, checkout, compiled, show):
        facts = {"versions": {}, "git": None, "processor": "p", "capability": "c", "threads": 1, "gpu": None}
        failed = Measurement("fit/b", reason="odd", failed=only == ["fit"])
        return Report(command, "today", facts, (Measurement("fit/a", "x/s", next(rates), 0.0), failed), 0.0)

    monkeypatch.setattr(suite, "run_bench", run_bench)
    monkeypatch.setattr("benchmark.core.machine.set_threads", lambda threads: None)
    first, second = tmp_path / "first.md", tmp_path / "second.md"
    assert cli.main(["bench", "--quick", "--compile", "--output", str(first), "--quiet"]) == 0
    assert "`python -m benchmark bench --quick --compile`" in first.read_text()
    assert json.loads(first.with_suffix(".json").read_text())["measurements"][0]["rate"] == 1.0
    words = ["bench", "--only", "fit", "--output", str(second), "--compare", str(tmp_path / "first.json"), "--quiet"]
    assert cli.main(words) == 1, "a measurement that failed is an error"
    assert "3.00" in capsys.readouterr().out
    assert "`python -m benchmark bench --only fit`" in second.read_text()


def test_nowhere_to_write_is_said_before_anything_is_measured(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.main(["bench", "--output", str(tmp_path / "no" / "page.md")]) == 2
    assert "nowhere to write page.md to" in capsys.readouterr().err
