"""From Python: the same matrix, the same numbers; a winner that leaves this package; what documents and examples show."""

from __future__ import annotations

import linecache
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
import torch

import benchmark as bm
from benchmark import api, notebook, registry
from benchmark.cli.main import main
from benchmark.core.errors import BenchmarkError, Corrupt, UnknownName
from benchmark.planning.keys import code_behind, modules_behind
from benchmark.planning.request import Request
from benchmark.results.encoders import read_card
from tests.toy import Toy

ROOT = Path(__file__).parents[1]
ROWS = ["random", "timm:test_resnet@random", "random:finetuned"]
SMALL = ["fit.steps=2", "machine.threads=1", "machine.workers=1"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a finished run of three rows under one policy."""
    registry.envs().add(Toy)
    home = tmp_path_factory.mktemp("api") / "runs"
    bm.run(ROWS, "toy", "mlp", preset="smoke", overrides=SMALL, home=home, quiet=True)
    return home


def out(command: list[str], cwd: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_import_is_lazy_and_says_what_there_is() -> None:
    heavy = "torch,timm,pandas,numpy,hydra,huggingface_hub,benchmark.api"
    code = f"import sys, benchmark as bm; print(bm.__version__, [m for m in '{heavy}'.split(',') if m in sys.modules])"
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert out([sys.executable, "-c", code], ROOT).strip() == f"{version} []"
    assert set(bm.__all__) <= set(dir(bm))
    assert (ROOT / "benchmark" / "py.typed").is_file()
    with pytest.raises(AttributeError, match="no attribute 'rum'"):
        _ = bm.rum


def test_a_home_is_that_of_all_that_a_call_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recordings are looked up there, too."""
    monkeypatch.setenv("BENCHMARK_HOME", "elsewhere")
    monkeypatch.setattr("benchmark.api.make_plan", lambda request: pytest.fail(os.environ["BENCHMARK_HOME"]))
    with pytest.raises(pytest.fail.Exception, match=str(tmp_path)):
        bm.run("random", "recording:mine", "knn", home=tmp_path)
    with pytest.raises(pytest.fail.Exception, match="elsewhere"):
        bm.plan("random", "recording:mine", "knn")
    assert os.environ["BENCHMARK_HOME"] == "elsewhere"


def test_the_interface_is_on_no_key() -> None:
    behind = modules_behind("benchmark.stages.embed")
    assert "benchmark" in behind
    assert not {"benchmark.api", "benchmark.cli.main", "benchmark.results.view"} & behind


def test_results_are_the_tables_of_the_run(home: Path) -> None:
    import benchmark.results.view  # noqa: F401 - from now on `bm.results` is a package, and is called all the same

    tables = bm.results(home=home)
    assert list(tables.cells.status) == ["done"] * 3
    assert set(tables.scores.row) == set(ROWS)
    assert ((tables.scores.low <= tables.scores.estimate) & (tables.scores.estimate <= tables.scores.high)).all()
    assert tables.scores.episodes.sum() == len(tables.records)
    assert list(tables.cells.encoder) == [  # what a table says of its rows' networks
        ours := "ResNet-18 of width 8, frames as they are, ImageNet's normalisation",
        "timm's test_resnet, frames at 112 px, normalised by mean 0.5, SD 0.5",
        ours,
    ]
    assert set(bm.results(methods="random", home=home).scores.row) == {"random"}
    again = bm.plan(ROWS, "toy", "mlp", preset="smoke", overrides=SMALL, home=home)
    assert again.stored.all()
    assert again.seconds.sum() == 0


def test_exported_records_are_read(home: Path, tmp_path: Path) -> None:
    assert main(["results", "export", str(tmp_path / "e"), "--home", str(home), "--quiet"]) == 0
    assert bm.results(records=tmp_path / "e").scores.equals(bm.results(home=home).scores)
    assert set(bm.results("random", records=tmp_path / "e").scores.row) == {"random"}
    with pytest.raises(BenchmarkError, match="hold training seeds 0, none of those named"):
        bm.results(first_seed=1, records=tmp_path / "e")


def test_the_encoder_of_a_row_is_the_one_that_acts(home: Path) -> None:
    frames = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    plain, tuned, timm = (bm.load_encoder(row, home=home)(frames) for row in ("random", "random:finetuned", ROWS[1]))
    assert plain.shape == tuned.shape
    assert not torch.equal(plain, tuned)
    assert timm.shape == (2, 96)
    with pytest.raises(UnknownName, match="did you mean random"):
        bm.load_encoder("randon", home=home)
    with pytest.raises(UnknownName, match="unknown seed of random '7'"):
        bm.load_encoder("random", seed=7, home=home)


def test_what_was_not_run_is_not_loaded(home: Path, tmp_path: Path) -> None:
    bm.run("random", "toy", "mlp", preset="smoke", overrides=SMALL, home=tmp_path, quiet=True)
    (folder,) = (tmp_path / "pretrain").iterdir()
    folder.rename(tmp_path / "gone")
    with pytest.raises(BenchmarkError, match="is not trained in"):
        bm.load_encoder("random", home=tmp_path)


@pytest.mark.parametrize("row", ROWS[:2])
def test_an_exported_encoder_needs_nothing_of_ours(home: Path, tmp_path: Path, row: str, capsys) -> None:
    folder = tmp_path / "taken"
    assert main(["results", "export-encoder", row, "--output", str(folder), "--home", str(home), "--quiet"]) == 0
    lines = capsys.readouterr().out.strip().splitlines()
    assert len(lines) == 3
    frames = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    torch.save(frames, tmp_path / "frames.pt")
    script = [
        "import sys; sys.modules['benchmark'] = None",  # an import of it fails
        "import torch; torch.set_num_threads(1); frames = torch.load('frames.pt')",
        *lines,
        "torch.save(features.detach(), 'features.pt')",
    ]
    out([sys.executable, "-c", "\n".join(script)], tmp_path)
    ours, theirs = bm.load_encoder(row, home=home)(frames), torch.load(tmp_path / "features.pt")
    assert theirs.shape == ours.shape
    assert (theirs - ours).abs().max() <= 1e-5 * ours.abs().max()
    card = read_card(folder)
    assert card["row"] == row
    assert card["licence"] == "none: trained here"
    assert card["scores"][0]["low"] <= card["scores"][0]["estimate"] <= card["scores"][0]["high"]
    assert card["data"]["episodes"] == 4
    assert card["provenance"]["versions"]["torch"]
    assert ("config.json" in card["files"]) == (row == ROWS[1])
    assert str(tmp_path) not in (folder / "card.json").read_text(), "no path of this machine goes out"


def test_an_exported_encoder_comes_back_as_a_row(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "taken"
    assert main(["results", "export-encoder", ROWS[1], "--output", str(folder), "--home", str(home), "--quiet"]) == 0
    tables = bm.run(
        f"file:{folder}", "toy", "mlp", preset="smoke", overrides=["fit.steps=2"], home=tmp_path / "runs", quiet=True
    )
    assert list(tables.cells.status) == ["done"]
    frames = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    before, after = bm.load_encoder(ROWS[1], home=home), bm.load_encoder(f"file:{folder}", home=tmp_path / "runs")
    assert after.size == 112
    assert torch.allclose(before(frames), after(frames), atol=1e-5)


def test_an_exported_policy_acts_as_it_did(home: Path, tmp_path: Path, capsys) -> None:
    folder = tmp_path / "policy"
    arguments = ["results", "export-policy", "random:finetuned", "--output", str(folder), "--home", str(home), "--quiet"]
    assert main(arguments) == 0
    (folder / "README.md").write_text("as a push writes it")
    (folder / "fit" / "old").write_text("of an earlier export")
    assert main(arguments) == 0
    (folder / "README.md").write_text("as the next push writes it")
    assert not (folder / "fit" / "old").exists()
    encoder, agent = bm.load_policy(folder)
    frames = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    assert torch.equal(encoder(frames), bm.load_encoder("random:finetuned", home=home)(frames))
    assert not agent.training
    assert agent.policy.config.execute == 2, "a setting that its fit was made without"
    (folder / "fit" / "last.safetensors").write_bytes(b"other")
    with pytest.raises(Corrupt, match="is not the file that"):
        bm.load_policy(folder)


def test_a_row_of_an_earlier_run_is_exported_by_its_name(tmp_path: Path, toy: type, capsys) -> None:
    flags = ["--envs", "toy", "--policies", "knn", "--preset", "smoke", "--quiet", "--home", str(tmp_path / "runs")]
    settings = ["rollout.episodes=1", "method.byol.width=8", "pretrain.steps=1"]
    assert main(["run", "--methods", "random", *flags, settings[0]]) == 0
    assert main(["run", "--methods", "byol", *flags, *settings]) == 0
    export = ["results", "export-encoder", "random", "--output", str(tmp_path / "out"), "--home", str(tmp_path / "runs")]
    assert main([*export, "--quiet"]) == 0
    assert (tmp_path / "out" / "card.json").is_file()
    assert set(bm.results("random", home=tmp_path / "runs").cells.status) == {"done"}


def test_a_folder_with_something_else_is_left_alone(home: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "thesis.tex").touch()
    assert main(["results", "export-encoder", "random", "--output", str(tmp_path), "--home", str(home), "--quiet"]) == 2
    assert "is not empty" in capsys.readouterr().err


# -------------------------------------------------------------------------------------------------------------- notebooks

CELLS = [
    "from __future__ import annotations\nfrom dataclasses import dataclass\nfrom torch import nn\n"
    "from benchmark.contracts.method import Method, MethodConfig\nfrom benchmark.models.encoders import build_backbone\n",
    "SCALE = 2.0\nunrelated = open\n",
    "def loss_of(x):\n    return SCALE * x.square().mean()\n",
    "class Mine(Method):\n    name = 'mine'\n    presets = {'smoke': {'width': 8}}\n\n    @classmethod\n"
    "    def build_encoder(cls, config, data):\n        return build_backbone('resnet18', 8, data.resolution)\n\n"
    "    def loss(self, batch, rng):\n        return loss_of(self.encoder(batch.frames[:, 0, 0])), {}\n",
]


@pytest.fixture
def cells(monkeypatch: pytest.MonkeyPatch):
    """Runs cells as a notebook does: in a `__main__` without a file, their text known to linecache."""
    main_module = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main_module)

    def run(*texts: str) -> ModuleType:
        for text in texts:
            name = f"<ipython-input-{len(linecache.cache)}>"
            monkeypatch.setitem(linecache.cache, name, (len(text), None, text.splitlines(True), name))
            exec(compile(text, name, "exec"), vars(main_module))
        return main_module

    yield run
    registry.methods().remove("mine")


def test_a_class_of_a_notebook_is_a_row_whose_text_is_on_the_key(cells, home: Path, tmp_path: Path) -> None:
    made = bm.register_method(cells(*CELLS).Mine, home=tmp_path)
    text = Path(sys.modules[made.__module__].__file__ or "").read_text()
    assert "SCALE = 2.0" in text
    assert "unrelated" not in text
    first = code_behind(made.__module__)
    options = {"preset": "smoke", "overrides": ["pretrain.steps=2", *SMALL], "home": tmp_path, "quiet": True}
    assert list(bm.run("mine", "toy", "mlp", **options).cells.status) == ["done"]
    other = bm.register_method(cells("SCALE = 3.0\n").Mine, home=tmp_path)
    assert code_behind(other.__module__) != first
    assert not bm.plan("mine", "toy", "mlp", **{k: v for k, v in options.items() if k != "quiet"}).stored.all()
    assert bm.register_method(cells("SCALE = 2.0\n").Mine, home=tmp_path).__module__ == made.__module__


def test_an_environment_of_a_notebook_is_found_by_processes_of_simulators(cells, tmp_path: Path) -> None:
    """They import its module by name and get this process's path of modules with it."""
    made = bm.register_env(cells("from tests.toy import Toy\n", "class Hill(Toy):\n    name = 'hill'\n").Hill, home=tmp_path)
    try:
        assert registry.envs().get("hill") is made
        code = f"import sys; sys.path = {sys.path}; import {made.__module__} as m; print(m.Hill.name)"
        assert out([sys.executable, "-c", code], tmp_path).strip() == "hill"
    finally:
        registry.envs().remove("hill")
        sys.path.remove(str(tmp_path / "notebook"))


def test_cells_that_do_not_stand_alone_say_so(cells, tmp_path: Path) -> None:
    module = cells(CELLS[0], CELLS[3])
    broken = "class Mine(Method):\n    name = 'mine'\n    presets = given\n"
    vars(module)["given"] = {}
    with pytest.raises(BenchmarkError, match="does not run by itself: NameError: name 'given'"):
        bm.register_method(cells(broken).Mine, home=tmp_path)
    with pytest.raises(BenchmarkError, match="the text of the class Other is not known"):
        notebook.source_of("Other", CELLS)


def test_a_file_of_cells_holds_what_they_define_and_runs_none_of_them() -> None:
    cells = [
        "width, depth = 8, 2\nlr = 1\nlr += 1\nsettings = {}\nsettings['a'] = lr\nunused = width\n",
        "for i in range(3):\n    launch_rockets(i)\n",
        "class Mine:\n    def f(self):\n        return [settings for i in range(depth)]\n",
    ]
    text = notebook.source_of("Mine", cells)
    assert "launch_rockets" not in text
    assert "unused" not in text
    made: dict[str, type] = {}
    exec(text, made)
    assert made["Mine"]().f() == [{"a": 2}] * 2
    assert "lr = 5" in notebook.source_of("Mine", [*cells, "lr = 5\n"])
    assert "lr += 1" not in notebook.source_of("Mine", [*cells, "lr = 5\n"]), "the last cell is what holds"


def test_results_of_a_store_that_is_not_there_are_no_store(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="nothing of this plan has been run"):
        bm.results("random", "toy", "knn", preset="smoke", home=tmp_path / "mispelt")
    assert not (tmp_path / "mispelt").exists()


# --------------------------------------------------------------------------------------------------------------- documents


def as_toy(text: str) -> str:
    """A document's code on the toy environment, for it takes seconds."""
    return text.replace('"pusht"', '"toy"').replace('preset="smoke"', f'preset="smoke", overrides={SMALL}')


BEFORE = """
import matplotlib; matplotlib.use('Agg')
import torch; torch.set_num_threads(1)
from benchmark import registry
from tests.toy import Toy
registry.envs().add(Toy)
"""


def test_the_document_does_what_it_says(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "python.md").read_text(), re.S)
    code = f"{BEFORE}{as_toy(''.join(blocks))}\nassert features.shape == (4, 512), features.shape"
    out([sys.executable, "-c", code], tmp_path)


def test_the_example_ends_in_a_plot(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(BEFORE + as_toy((ROOT / "examples" / "compare_encoders.py").read_text()))
    out([sys.executable, "script.py"], tmp_path)
    assert (tmp_path / "encoders.png").stat().st_size > 5000


def test_an_empty_list_of_settings_asks_for_none_and_a_path_names_a_preset(tmp_path: Path) -> None:
    before, others = Request(overrides=["fit.steps=4"]), (None, None, None, None, None)
    assert api._request(before, *others, None, ()).overrides == ["fit.steps=4"]
    assert api._request(before, *others, None, []).overrides == []
    (tmp_path / "mine.yaml").write_text("preset: smoke\nsettings: {fit: {steps: 9}}\n")
    asked = api._request(before, *others, tmp_path / "mine.yaml", ())
    assert (asked.preset, list(asked.preset_settings)) == ("smoke+mine", ["fit.steps=9"])
