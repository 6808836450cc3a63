"""Franka Kitchen: the stock physics under one seed, the paper's score, honest proprioception, images."""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest

from benchmark.core.errors import Unavailable
from benchmark.envs import kitchen
from benchmark.envs.kitchen import Kitchen, KitchenConfig, tasks
from benchmark.envs.kitchen.render import front_camera
from benchmark.simulation import drawing as mujoco_render
from tests.envs import kitchens
from tests.envs.kitchens import LARGE_SEED, qpos

pytest.importorskip("gymnasium_robotics", reason="python -m pip install -e .")

if reason := mujoco_render.gl_missing():
    pytest.skip(reason, allow_module_level=True)

env = kitchens.env
GOALS = {  # where the joints of gymnasium-robotics' OBS_ELEMENT_GOALS are in qpos, written down independently
    "bottom burner": {11: -0.88},
    "top burner": {15: -0.92},
    "light switch": {17: -0.69},
    "slide cabinet": {19: 0.37},
    "hinge cabinet": {21: 1.45},
    "microwave": {22: -0.75},
    "kettle": {23: -0.23, 24: 0.75, 25: 1.62},
}


def put(env, task):
    for index, value in GOALS[task].items():
        qpos(env)[index] = value


def wiggle(env, seed, steps=15):
    """Everything that can be observed while random actions are taken."""
    env.reset(seed)
    rng = np.random.default_rng(3)
    seen = [(env.state(), env.proprio())]
    for _ in range(steps):
        env.step(rng.uniform(-1, 1, 9).astype(np.float32))
        seen.append((env.state(), env.proprio()))
    return np.stack([np.concatenate(pair) for pair in seen]), env.render()


# ------------------------------------------------------------------------------------------------------- the environment


def test_importing_it_starts_no_simulator():
    code = "import sys, envs.kitchen; print(sorted({'mujoco', 'gymnasium', 'gymnasium_robotics', 'OpenGL'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_the_seed_decides_the_episode_bit_by_bit_whatever_came_before(env):
    first = wiggle(env, LARGE_SEED)
    other = wiggle(env, 1, steps=40)
    again = wiggle(env, LARGE_SEED)
    fresh = Kitchen(KitchenConfig(resolution=64))
    elsewhere = wiggle(fresh, LARGE_SEED)
    fresh.close()
    for run in (again, elsewhere):
        assert np.array_equal(first[0], run[0])
        assert np.array_equal(first[1], run[1])
    assert not np.array_equal(first[0], other[0][:16])


def test_steers_from_readings_that_are_off_by_the_stock_noise(env):
    env.reset(0)
    off = env.proprio()[:9] - env.state()[:9]
    assert 1e-5 < np.abs(off).max() <= 0.001 + 1e-6  # 0.01 times 0.1 in franka_config.xml
    env.step(np.zeros(9, np.float32))
    one = env.state()
    env.reset(1)
    env.step(np.zeros(9, np.float32))
    assert not np.array_equal(one, env.state())


def test_proprioception_knows_nothing_about_objects(env):
    assert env.spec(env.config).proprio_dim == 18
    readings, states = [], []
    for moved in (False, True):
        env.reset(4)
        if moved:
            for task in tasks.TASKS:
                put(env, task)
        env.step(np.full(9, 0.1, np.float32))
        readings.append(env.proprio())
        states.append(env.state())
    np.testing.assert_allclose(*readings, atol=1e-6)
    assert np.abs(states[0][9:] - states[1][9:]).max() > 0.3


def test_state_names_fit_the_simulator(env):
    names = env.spec(env.config).state_names
    joints = [env._simulator.model.joint(i).name for i in range(env._simulator.model.njnt)]
    assert len(names) == len(qpos(env)) == len(joints) + 6  # the kettle floats: seven numbers for one joint
    for name, index in (("microwave/door", 22), ("slide cabinet/door", 19), ("light switch/lever", 17), ("kettle/x", 23)):
        assert names[index] == name
        assert joints[index].split("_")[0] == name.split("/")[0].split(" ")[0]
    assert {name.split("/")[0] for name in names} >= {"robot", *tasks.TASKS}


def test_counts_each_task_once_and_four_of_them(env):
    env.reset(0)
    assert env.score() == {"tasks": 0, "tasks_raw": 0} | {f"task/{task}": 0 for task in GOALS}
    still = np.zeros(9, np.float32)
    start = qpos(env).copy()
    for number, task in enumerate(GOALS, 1):
        put(env, task)
        over = env.step(still)
        score = env.score()
        assert (score["tasks"], score["tasks_raw"], score[f"task/{task}"]) == (min(number, 4), number, 1)
        assert over == (number == 7)
        qpos(env)[:] = start  # undone is not unscored
        assert not env.step(still) or number == 7
        assert env.score() == score
    env.reset(0)
    assert env.score()["tasks_raw"] == 0


@pytest.mark.parametrize(("angle", "counts"), [(-0.44, 0), (-0.46, 1)])
def test_a_task_counts_within_the_published_distance(env, angle, counts):
    env.reset(0)
    qpos(env)[22] = angle  # the goal is -0.75, the distance 0.3
    env.step(np.zeros(9, np.float32))
    assert env.score()["task/microwave"] == counts


# ------------------------------------------------------------------------------------------------------------- missing


def test_says_how_to_get_missing_packages(monkeypatch):
    config = KitchenConfig()
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "gymnasium_robotics" else find(name))
    assert "not installed: gymnasium_robotics" in Kitchen.unavailable_reason(config)
    assert "pip install 'gymnasium-robotics" in Kitchen.unavailable_reason(config)
    monkeypatch.undo()
    monkeypatch.setattr(kitchen.metadata, "version", lambda name: "3.12.0")
    assert "mujoco 3.12.0" in Kitchen.unavailable_reason(config)
    monkeypatch.undo()
    assert Kitchen.unavailable_reason(config) is None


def test_says_how_to_get_a_gl_library(monkeypatch):
    monkeypatch.setattr(mujoco_render.sys, "platform", "linux")
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.setattr(mujoco_render, "_works", lambda name: name == "osmesa")
    assert mujoco_render.gl_backend() == "osmesa"
    monkeypatch.setenv("MUJOCO_GL", "egl")
    with pytest.raises(Unavailable, match=r"MUJOCO_GL=egl .* apt-get install libegl1 libgl1-mesa-dri$"):
        mujoco_render.gl_backend()
    monkeypatch.setenv("MUJOCO_GL", "off")
    with pytest.raises(Unavailable, match="unset it"):
        mujoco_render.gl_backend()
    monkeypatch.delenv("MUJOCO_GL")
    monkeypatch.setattr(mujoco_render, "_works", lambda name: False)
    assert "libegl1 libgl1-mesa-dri or: apt-get install libosmesa6" in Kitchen.unavailable_reason(KitchenConfig())


# ------------------------------------------------------------------------------------------------------------ images


def test_pictures_show_the_scene(env):
    env.reset(0)
    before = env.render()
    assert before.std() > 20
    env.step(np.zeros(9, np.float32))
    put(env, "hinge cabinet")
    after = env.render()
    changed = np.abs(after.astype(int) - before).max(-1)[0] > 20
    rows, columns = np.nonzero(changed)
    assert 50 < changed.sum() < 800
    assert rows.mean() < 25  # the cabinet is above, left of the middle
    assert columns.mean() < 32
    assert {"gl", "gl renderer", "mujoco", "gymnasium-robotics"} <= env.describe().keys()


def test_simulators_of_one_process_do_not_spoil_each_others_pictures(env):
    other, larger = Kitchen(KitchenConfig(resolution=64)), Kitchen(KitchenConfig(resolution=96))
    for each in (env, other, larger):
        each.reset(0)
    alone = env.render()
    put(other, "kettle")
    with_kettle_moved = other.render()
    large = larger.render()
    assert large.shape == (1, 96, 96, 3)
    assert np.array_equal(env.render(), alone)
    assert np.array_equal(other.render(), with_kettle_moved)
    assert not np.array_equal(alone, with_kettle_moved)
    other.close()
    larger.close()
    larger.close()  # twice is once
    assert np.array_equal(env.render(), alone)


def test_the_last_to_close_frees_the_gl_context(env):
    env.reset(0)
    image = env.render()
    env.close()
    assert mujoco_render._renderers == {}
    assert mujoco_render._gl is None
    assert np.array_equal(env.render(), image)  # and it comes back when needed


def test_what_never_moves_is_drawn_once_and_nothing_differs(env):
    env.reset(0)
    qpos, model = env._simulator.data.qpos.copy(), env._simulator.model
    env.render()
    whole = mujoco_render.shared_renderer("whole", lambda: env._renderer._model, env.config.resolution)
    rng = np.random.default_rng(0)
    for _ in range(30):
        moved = qpos.copy()
        for joint in np.flatnonzero(model.jnt_limited):
            moved[model.jnt_qposadr[joint]] = rng.uniform(*model.jnt_range[joint])  # the arm, doors and knobs
        moved[-7:-4] += rng.normal(0, 0.2, 3)  # the kettle
        images = [renderer.render(moved, [front_camera()]) for renderer in (env._renderer, whole)]
        assert np.array_equal(*images)
    assert env._renderer._scene.ngeom < 0.7 * whole._scene.ngeom
    whole.close()


def test_fewer_facets_hardly_show(env, monkeypatch):
    env.reset(0)
    coarse = env.render().astype(int)
    env.close()
    monkeypatch.setattr(mujoco_render, "FACET", 1)  # as many facets as MuJoCo itself gives
    fine = env.render().astype(int)
    difference = np.abs(coarse - fine).mean()
    assert 0 < difference < 1, f"{difference} grey levels of 256"


def test_simplified_meshes_stay_where_they_were(env):
    model, cell = env._simulator.model, 0.012
    light = mujoco_render.simplified(model, cell, 256)
    assert light.mesh_facenum.sum() < 0.25 * model.mesh_facenum.sum()
    assert light.tex_width.max() <= 511
    for mesh in np.flatnonzero(model.mesh_facenum >= 500):
        start, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
        moved = np.linalg.norm(light.mesh_vert[start : start + count] - model.mesh_vert[start : start + count], axis=1)
        assert moved.max() <= np.sqrt(3) * cell
        faces = light.mesh_face[light.mesh_faceadr[mesh] :][: light.mesh_facenum[mesh]]
        corners = light.mesh_vert[start : start + count][faces]
        for one, two in ((0, 1), (1, 2), (0, 2)):
            assert (np.abs(corners[:, one] - corners[:, two]).max(1) > 0).all(), "a collapsed face was kept"
    small = np.flatnonzero(model.mesh_facenum < 500)
    assert np.array_equal(light.mesh_facenum[small], model.mesh_facenum[small])
