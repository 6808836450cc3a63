"""LIBERO Goal: which task a seed asks for, what is said when parts are missing, the bowl; where the packages and assets are,
the table itself and the demonstrator on it."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark import registry
from benchmark.contracts.presets import PRESETS, component_config
from benchmark.core.errors import BenchmarkError, Unavailable
from benchmark.core.seeds import evaluation_seed, seed
from benchmark.planning.config.compose import compose_config
from envs.libero_goal import RECORDINGS_VARIABLE, SCRIPTED, TASKS, LiberoGoal, LiberoGoalConfig, assets
from envs.libero_goal.bowl import PROFILE, SEGMENTS, bowl

REASON = LiberoGoal.unavailable_reason(LiberoGoalConfig())
here = pytest.mark.skipif(REASON is not None, reason=str(REASON))


# ---------------------------------------------------------------------------------------------------------- everywhere


def test_the_seed_decides_the_task_and_all_tasks_are_equally_likely() -> None:
    config = LiberoGoalConfig()
    for draw in (seed, evaluation_seed):
        asked = Counter(LiberoGoal.task(config, draw("test", index)) for index in range(4000))
        assert set(asked) == set(SCRIPTED)
        expected = 4000 / len(SCRIPTED)
        assert sum((count - expected) ** 2 / expected for count in asked.values()) < 22.5  # chi-squared, 6 degrees, p = 0.001
    assert LiberoGoal.task(config, seed("test", 1)) == LiberoGoal.task(config, seed("test", 1))


def test_tasks_are_those_with_an_expert() -> None:
    assert len(TASKS) == len(SCRIPTED) + 3 == 10
    assert LiberoGoal.spec(LiberoGoalConfig()).tasks == SCRIPTED
    with pytest.raises(
        BenchmarkError, match="no demonstrations of put_the_wine_bottle_on_the_rack; tasks can be of: open_the_mid"
    ):
        LiberoGoalConfig(tasks=("turn_on_the_stove", "put_the_wine_bottle_on_the_rack"))
    with pytest.raises(BenchmarkError, match="each task only once"):
        LiberoGoalConfig(tasks=("turn_on_the_stove",) * 2)
    human = LiberoGoalConfig(demonstrations="human")
    assert LiberoGoal.spec(human).tasks == TASKS, "people demonstrated all ten"


def test_absent_recordings_say_where_they_are_looked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for check in ("missing_packages", "missing_assets"):
        monkeypatch.setattr(f"envs.libero_goal.{check}", lambda *_: None)
    (tmp_path / "libero_goal").mkdir()
    (tmp_path / "libero_goal" / "turn_on_the_stove_demo.hdf5").touch()
    monkeypatch.delenv(RECORDINGS_VARIABLE, raising=False)
    asked = {"demonstrations": "human", "tasks": ("turn_on_the_stove", "put_the_bowl_on_the_plate")}
    assert f"env.libero_goal.human_path or {RECORDINGS_VARIABLE}" in str(
        LiberoGoal.unavailable_reason(LiberoGoalConfig(**asked))
    )
    reason = str(LiberoGoal.unavailable_reason(LiberoGoalConfig(**asked, human_path=str(tmp_path))))
    assert f"{tmp_path} lacks put_the_bowl_on_the_plate_demo.hdf5;" in reason


def test_tasks_can_be_chosen_on_the_command_line() -> None:
    chosen = compose_config("libero_goal", envs=["libero_goal"], overrides=["env.libero_goal.tasks=[turn_on_the_stove]"])
    assert chosen.env["libero_goal"].tasks == ("turn_on_the_stove",)


@pytest.mark.parametrize("preset", ["quick", "paper"])
@pytest.mark.parametrize(("source", "tasks"), [("scripted", SCRIPTED), ("human", TASKS)])
def test_who_demonstrates_decides_what_can_be_asked_for(preset: str, source: str, tasks: tuple[str, ...]) -> None:
    """Also where another preset had decided otherwise."""
    overrides = [f"env.libero_goal.demonstrations={source}"]
    chosen = compose_config("libero_goal", preset=preset, envs=["libero_goal"], overrides=overrides).env["libero_goal"]
    assert LiberoGoal.spec(chosen).tasks == tasks


def test_the_spec_is_that_of_the_protocol() -> None:
    for preset in PRESETS:
        spec = LiberoGoal.spec(component_config(LiberoGoal, preset, "libero_goal"))
        assert (spec.hz, spec.max_steps, spec.action_dim, spec.metric) == (20.0, 300, 7, "success")
        assert spec.views == ("agentview", "wrist")
        assert len(set(spec.state_names)) == spec.state_dim == 41 + 6  # joints, and where the fixtures stand
    assert registry.envs().get("libero_goal") is LiberoGoal


def test_importing_it_starts_no_simulator() -> None:
    code = "import sys, envs.libero_goal; print(sorted({'mujoco', 'robosuite', 'libero', 'OpenGL'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def absent(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    """As if only these modules were missing."""
    monkeypatch.setattr(assets, "find_spec", lambda name: None if name in modules else importlib.util.find_spec("json"))
    monkeypatch.setattr(assets.metadata, "version", lambda name: "1.4.0")


def test_says_how_to_get_missing_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    absent(monkeypatch)
    assert assets.missing_packages() is None
    absent(monkeypatch, "numba", "libero", "bddl")
    reason = LiberoGoal.unavailable_reason(LiberoGoalConfig())
    assert reason is not None
    assert "python -m pip install numba && python -m pip install --no-deps bddl==1.0.1 hf-libero==0.1.4" in reason
    assert "\n" not in reason
    absent(monkeypatch)
    monkeypatch.setattr(assets.metadata, "version", lambda name: "1.5.1")
    assert "--no-deps robosuite==1.4.0" in str(assets.missing_packages())


def test_says_how_to_get_missing_assets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    absent(monkeypatch)
    monkeypatch.delenv(assets.VARIABLE, raising=False)
    monkeypatch.setattr(assets, "DOWNLOADED", str(tmp_path / "nowhere"))
    reason = LiberoGoal.unavailable_reason(LiberoGoalConfig())
    assert reason is not None
    assert assets.VARIABLE in reason
    assert "env.libero_goal.assets" in reason
    assert "\n" not in reason
    monkeypatch.setenv(assets.VARIABLE, str(tmp_path / "from the environment"))
    assert "from the environment" in str(assets.missing_assets(""))
    assert "from the config" in str(assets.missing_assets(str(tmp_path / "from the config")))


def skeleton(folder: Path) -> Path:
    """Assets of which only the models are there, each with one mesh of its own."""
    for model in assets.MODELS:
        path = folder / model
        path.parent.mkdir(parents=True, exist_ok=True)
        name = path.stem
        path.write_text(
            f'<mujoco><asset><mesh name="{name}_vis" file="{name}.stl"/><!-- <mesh file="no.stl"/> --></asset></mujoco>'
        )
        if name != assets.BOWL:
            (path.parent / f"{name}.stl").touch()
    return folder


def test_incomplete_assets_are_named_and_the_bowl_may_be_absent(tmp_path: Path) -> None:
    folder = skeleton(tmp_path)
    assert assets.missing_assets(str(folder)) is None
    (folder / "articulated_objects" / "flat_stove.stl").unlink()
    assert f"{folder} are incomplete: articulated_objects/flat_stove.stl" in str(assets.missing_assets(str(folder)))
    (folder / assets.MODELS[0]).unlink()
    assert f"incomplete: {assets.MODELS[0]} not found" in str(assets.missing_assets(str(folder)))


def test_the_bowl_is_closed_faces_outwards_and_never_changes() -> None:
    vertices, faces = bowl()
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    directed = Counter(map(tuple, edges.tolist()))
    assert set(directed.values()) == {1}, "an edge is used twice in one direction"
    assert all((b, a) in directed for a, b in directed), "an edge has only one face"
    assert len(vertices) - len(directed) // 2 + len(faces) == 2  # Euler, for a sphere
    corners = vertices[faces]
    assert np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).min() > 0
    signed = np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6
    radii, heights = np.array([*PROFILE, PROFILE[0]]).T
    cones = np.diff(heights) * (radii[1:] ** 2 + radii[1:] * radii[:-1] + radii[:-1] ** 2) / 3
    inscribed = SEGMENTS / 2 * np.sin(2 * np.pi / SEGMENTS)  # the area of the polygon in a unit circle
    assert signed == pytest.approx(inscribed * cones.sum(), rel=1e-9)
    assert signed > 0
    again = bowl.__wrapped__()
    assert np.array_equal(vertices, again[0])
    assert np.array_equal(faces, again[1])


def test_a_scene_is_completed_where_something_can_stand_in(tmp_path: Path) -> None:
    (tmp_path / "there.png").touch()
    gone = tmp_path / "plate" / "texture.png"
    scene = f"""<mujoco><asset>
        <texture name="kept" type="2d" file="{tmp_path}/there.png"/><texture name="painted" type="2d" file="{gone}"/>
        <mesh name="akita_black_bowl_1_vis" scale="0.7 0.7 0.7" file="{tmp_path}/bowl.msh"/></asset></mujoco>"""
    xml, replaced = assets.completed(scene)
    kept, painted = ET.fromstring(xml).iter("texture")
    (mesh,) = ET.fromstring(xml).iter("mesh")
    assert replaced == ["painted", "akita_black_bowl_1_vis"]
    assert kept.get("file") == f"{tmp_path}/there.png"
    assert (painted.get("file"), painted.get("builtin"), painted.get("rgb1")) == (None, "flat", assets.PLAIN_COLOURS["plate"])
    assert (mesh.get("file"), mesh.get("scale")) == (None, None)
    assert len(mesh.get("vertex", "").split()) == bowl()[0].size
    with pytest.raises(Unavailable, match=r"stove\.stl not found"):
        assets.completed(f'<mujoco><asset><mesh name="stove" file="{tmp_path}/stove.stl"/></asset></mujoco>')


# -------------------------------------------------------------------------------------- with LIBERO's packages and assets


@pytest.fixture(scope="module")
def env() -> Any:
    if REASON is not None:
        pytest.skip(REASON)
    env = LiberoGoal(LiberoGoalConfig(resolution=64))
    yield env
    env.close()


def seed_for(env: LiberoGoal, task: str) -> int:
    return next(number for number in range(1000) if env.task(env.config, number) == task)


def play(env: LiberoGoal, number: int) -> int:
    env.reset(number)
    expert = env.expert(number)
    for step in range(300):
        action = expert.act()
        if action is None or env.step(action):
            return step + 1
    return 300


@here
def test_leaves_the_home_folder_and_the_terminal_alone(tmp_path: Path) -> None:
    code = "from envs.libero_goal import *; env = LiberoGoal(LiberoGoalConfig(resolution=64)); env.reset(1); env.close()"
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "HOME": str(tmp_path), assets.VARIABLE: str(assets.assets_folder(""))},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    assert (result.stdout, result.stderr) == ("", "")
    assert not (tmp_path / ".libero").exists()


def test_places_things_by_the_seed_within_their_regions(env: LiberoGoal) -> None:
    starts = []
    for number in (5, 6, 5):
        env.reset(number)
        starts.append(env.state())
    assert np.array_equal(starts[0], starts[2])
    assert np.abs(starts[0][9:12] - starts[1][9:12]).max() > 1e-3
    names = env.spec(env.config).state_names
    for thing, (low_x, high_x, low_y, high_y) in {
        "plate": (0.04, 0.06, -0.03, -0.01),
        "cabinet": (0.02, 0.04, -0.25, -0.23),
    }.items():
        x, y = starts[0][names.index(f"{thing}/x")], starts[0][names.index(f"{thing}/y")]
        assert low_x - 0.02 < x < high_x + 0.02  # LIBERO lets an object's edge, not its middle, stay inside
        assert low_y - 0.02 < y < high_y + 0.02


def test_state_names_fit_the_simulator(env: LiberoGoal) -> None:
    model = env._table.model
    names = env.spec(env.config).state_names
    words = {
        "bowl": "bowl",
        "cream cheese": "cream_cheese",
        "bottle": "bottle",
        "plate": "plate",
        "robot": "",
        "cabinet": "cabinet",
        "stove": "stove",
    }
    for joint in (model.joint(index) for index in range(model.njnt)):
        name = names[int(joint.qposadr[0])]
        assert words[name.split("/")[0]] in joint.name
    for drawer in ("top", "middle", "bottom"):
        index = int(model.joint(f"wooden_cabinet_1_{drawer}_level").qposadr[0])
        assert names[index] == f"cabinet/{drawer} drawer"


def test_only_the_task_asked_for_counts_and_once_is_enough(env: LiberoGoal) -> None:
    on, other = seed_for(env, "turn_on_the_stove"), seed_for(env, "open_the_middle_drawer_of_the_cabinet")
    knob = env._table.data.joint("flat_stove_1_button")
    for number, counts in ((on, 1.0), (other, 0.0)):
        env.reset(number)
        assert set(env.score().values()) == {0.0}
        knob.qpos[:] = 1.0
        assert env.step(np.zeros(7, np.float32)) == bool(counts)
        knob.qpos[:] = 0.0
        env.step(np.zeros(7, np.float32))
        assert env.score()["success"] == env.score()["task/turn_on_the_stove"] == counts
    env.reset(on)
    assert env.score()["success"] == 0


def test_proprioception_knows_nothing_about_objects(env: LiberoGoal) -> None:
    env.reset(3)
    before = env.proprio()
    env._table.data.joint("plate_1_joint0").qpos[:2] += 0.1
    assert np.array_equal(before, env.proprio())
    env.step(np.array([0, 0, 1, 0, 0, 0, 0], np.float32))
    assert 0.001 < env.proprio()[11] - before[11] < 0.05


def test_both_views_show_the_table_the_stove_that_is_on_and_no_marks(env: LiberoGoal) -> None:
    env.reset(4)
    off = env.render().astype(int)
    assert off.shape == (2, 64, 64, 3)
    assert min(view.std() for view in off) > 20
    red = (off[..., 0] > 150) & (off[..., 1:].max(-1) < 60)
    assert red.sum() == 0  # robosuite marks the hand with a red ball
    env._table.data.joint("flat_stove_1_button").qpos[:] = 1.0
    env.step(np.zeros(7, np.float32))
    on = env.render().astype(int)
    assert ((on[..., 0] > 150) & (on[..., 1:].max(-1) < 60))[0].sum() > 5


def test_pictures_of_one_size_do_not_spoil_those_of_another(env: LiberoGoal) -> None:
    """Where the fixtures stand is in the model that is drawn, and two sizes are drawn from two."""
    from envs.libero_goal.render import Views

    env.reset(4)
    before = env.render()
    larger = Views(env._table.model, str(env._assets), 96)
    env.reset(5)
    elsewhere = env.render()
    assert larger.render(env._table.data.qpos).shape == (2, 96, 96, 3)
    env.reset(4)
    assert np.array_equal(env.render(), before)
    assert not np.array_equal(elsewhere, before)
    larger.close()


def test_does_without_the_bowls_mesh(env: LiberoGoal, tmp_path: Path) -> None:
    """A folder that links to the real assets, but for what lies beside the bowl's model."""
    real, folder = assets.assets_folder(""), tmp_path / "assets"
    assert real is not None
    for path in real.rglob("*"):
        link = folder / path.relative_to(real)
        link.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file() and (path.parent.name != assets.BOWL or path.suffix == ".xml"):
            link.symlink_to(path)
    config = LiberoGoalConfig(resolution=64, assets=str(folder), tasks=("put_the_bowl_on_the_stove",))
    assert LiberoGoal.unavailable_reason(config) is None
    other = LiberoGoal(config)
    other.reset(seed := 2)
    assert "akita_black_bowl" in other.describe()["replaced"]
    place = other._table.place("akita_black_bowl_1_main")
    env.reset(seed)
    np.testing.assert_allclose(place, env._table.place("akita_black_bowl_1_main"), atol=2e-3)
    assert play(other, seed) < 300
    assert other.render().std() > 20
    other.close()


@pytest.mark.parametrize("task", SCRIPTED)
def test_the_expert_does_what_the_episode_asks_for(env: LiberoGoal, task: str) -> None:
    number = seed_for(env, task)
    steps = play(env, number)
    assert env.score() == {"success": 1.0} | {f"task/{name}": float(name == task) for name in SCRIPTED}
    assert steps < 200
    assert env.expert(number).info["task"] == task


# --------------------------------------------------------------------------------------------------- human demonstrations


def scene_of(env: LiberoGoal, joints: list[str] | None = None) -> str:
    """As much of a recorded scene as is read."""
    from envs.libero_goal.simulator import FIXTURES

    model, text = env._table.model, []
    for name in FIXTURES:
        body = model.body(f"{name}_main")
        pose = [" ".join(map(str, values.tolist())) for values in (body.pos, body.quat)]
        text.append(f'<body name="{name}_main" pos="{pose[0]}" quat="{pose[1]}"/>')
    hinges = "".join(f'<body><joint name="{name}"/></body>' for name in joints or env._table.joints)
    return f"<mujoco><worldbody>{hinges}{''.join(text)}</worldbody></mujoco>"


def written(folder: Path, env: LiberoGoal, task: str, **changes: Any) -> list[np.ndarray]:
    """The first steps of the demonstrator, in the layout of the official files; what was seen, known and done."""
    h5py = pytest.importorskip("h5py")
    env.reset(seed_for(env, task))
    expert, data, rows = env.expert(0), env._table.data, []
    for _ in range(12):
        action = np.asarray(expert.act(), np.float64)
        state = np.concatenate([[data.time], data.qpos, data.qvel])
        rows.append((env.render(), env.state(), env.proprio(), action, state))
        env.step(action)
    frames, states, proprio, actions, simulator = (np.stack(column) for column in zip(*rows, strict=True))
    with h5py.File(folder / f"{task}_demo.hdf5", "w") as file:
        demo = file.create_group("data/demo_0")
        demo["actions"], demo["states"] = actions, changes.get("states", simulator)
        demo.attrs["model_file"] = changes.get("scene", scene_of(env))
    return [frames, states, proprio, actions]


def imported(folder: Path, *tasks: str) -> list[Any]:
    config = LiberoGoalConfig(resolution=64, demonstrations="human", human_path=str(folder), tasks=tasks)
    return list(LiberoGoal.import_demonstrations(config))


@here
def test_human_demonstrations_are_drawn_from_their_states(env: LiberoGoal, tmp_path: Path) -> None:
    tasks = ("put_the_bowl_on_the_plate", "put_the_wine_bottle_on_top_of_the_cabinet")
    recorded = {task: written(tmp_path, env, task) for task in tasks}
    for task, episode in zip(tasks, imported(tmp_path, *tasks), strict=True):
        frames, states, proprio, actions = recorded[task]
        assert episode.info["task"] == task
        assert episode.info["score"] == {"success": 0.0}
        np.testing.assert_allclose(episode.states, states, atol=1e-6)
        np.testing.assert_allclose(episode.proprio, proprio, atol=1e-6)
        np.testing.assert_allclose(episode.actions, actions.clip(-1, 1), atol=1e-6)
        assert np.abs(episode.frames.astype(int) - frames).max() <= 1


@here
@pytest.mark.parametrize(
    ("what", "reason"), [("joints", "another scene"), ("states", "expected"), ("scene", "no element"), ("file", "read")]
)
def test_recordings_of_something_else_are_refused_by_name(env: LiberoGoal, tmp_path: Path, what: str, reason: str) -> None:
    task = "turn_on_the_stove"
    changes: dict[str, Any] = {
        "joints": {"scene": scene_of(env, ["elbow", *env._table.joints[1:]])},
        "states": {"states": np.zeros((12, 5))},
        "scene": {"scene": "<mujoco><worldbody>"},
        "file": {},
    }[what]
    written(tmp_path, env, task, **changes)
    if what == "file":
        path = tmp_path / f"{task}_demo.hdf5"
        path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(BenchmarkError, match=f"{task}_demo.hdf5.*{reason}"):
        imported(tmp_path, task)
