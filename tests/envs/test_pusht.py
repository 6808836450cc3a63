"""Push-T: the physics, score and image are gym-pusht's; human recordings are checked; the planner solves it."""

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmark.cli.main import main
from benchmark.contracts.data import check_episode
from benchmark.core.errors import BenchmarkError, Unavailable
from benchmark.envs.pusht import RECORDINGS, RECORDINGS_VARIABLE, PushT, PushTConfig
from benchmark.envs.pusht.geometry import GOAL, TABLE
from benchmark.envs.pusht.score import summarise

pytest.importorskip("gym_pusht", reason="python -m pip install -e .[pusht]")
numcodecs = pytest.importorskip("numcodecs", reason="python -m pip install -e .[pusht]")

from gym_pusht.envs.pusht import PushTEnv  # noqa: E402

from benchmark.envs.pusht.human import Recordings  # noqa: E402
from benchmark.envs.pusht.simulator import Table  # noqa: E402

DATA = Path(os.environ.get(RECORDINGS_VARIABLE) or Path(__file__).parents[3] / "shared/data/pusht")
needs_data = pytest.mark.skipif(
    not (DATA / RECORDINGS).is_dir(), reason=f"no human demonstrations in {DATA}; name their folder in {RECORDINGS_VARIABLE}"
)


@pytest.fixture
def env():
    env = PushT(PushTConfig(resolution=64))
    yield env
    env.close()


def play(env, seed, steps=300):
    env.reset(seed)
    expert = env.expert(seed)
    for step in range(steps):
        action = expert.act()
        if action is None:
            return step
        assert not env.step(np.clip(action, 0, TABLE).astype(np.float32))
    return steps


# ------------------------------------------------------------------------------------------------------- the environment


def test_is_found_without_loading_a_simulator():
    code = "import sys; from benchmark import registry; registry.envs().get('pusht')\n"
    code += "assert not {'pymunk', 'pygame', 'cv2', 'pybullet'} & set(sys.modules), 'a simulator was imported'"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_physics_start_and_coverage_are_those_of_gym_pusht(env):
    theirs = PushTEnv(obs_type="state")
    rng = np.random.default_rng(0)
    for seed in (0, 7):
        env.reset(seed)
        theirs.reset(seed=seed)
        for _ in range(40):
            action = (np.array(theirs.block.position) + rng.normal(0, 60, 2)).astype(np.float32)
            _, _, _, _, info = theirs.step(action)
            env.step(action)
            assert np.array_equal(env.proprio(), info["pos_agent"].astype(np.float32))
            x, y, angle = info["block_pose"]
            assert np.array_equal(env.state()[2:], np.array([x, y, np.cos(angle), np.sin(angle)], np.float32))
            assert env.score()["final_coverage"] == pytest.approx(info["coverage"], abs=1e-9)
        assert 0 < env.score()["max_coverage"] < 1, "the block was never near the goal: nothing was compared"


def test_picture_is_that_of_gym_pusht_without_the_marks_of_contact(env):
    theirs = PushTEnv(obs_type="pixels", observation_width=64, observation_height=64)
    image, _ = theirs.reset(seed=3)
    env.reset(3)
    assert np.array_equal(env.render(), image[None])
    marked = 0
    for _ in range(20):
        action = env.state()[2:4]
        image, *_ = theirs.step(action)
        env.step(action)
        different = (env.render()[0] != image).any(axis=-1)
        marked += different.any()
        assert different.sum() <= 4
    assert marked, "the block was never touched"


def test_a_picture_shows_nothing_of_what_went_before(env):
    """Contacts of the simulation linger after things were put elsewhere, and so do the last image's pixels."""
    play(env, 0, 60)
    assert env.render().any()
    agent, block = env._table.agent, env._table.block
    env._table.put(np.array([50, 50]), GOAL)
    moved = env.render()
    fresh = PushT(PushTConfig(resolution=64))
    fresh.reset(0)
    fresh._table.put(np.array([50, 50]), GOAL)
    assert np.array_equal(moved, fresh.render())
    assert not np.allclose(agent, 50)
    assert not np.allclose(block, GOAL)


def test_never_ends_early_and_keeps_the_best_beside_the_last(env):
    env.reset(0)
    env._table.put(np.array([100, 100]), GOAL)
    for _ in range(3):
        assert env.step(np.array([100, 100], np.float32)) is False
    assert env.score()["final_coverage"] == pytest.approx(1)
    env._table.put(np.array([100, 100]), GOAL + np.array([150, 150, 0]))
    env.step(np.array([100, 100], np.float32))
    assert env.score() == pytest.approx(
        {"final_coverage": 0, "max_coverage": 1, "success_at_end": 0, "success_ever": 1}, abs=1e-9
    )


def test_success_means_more_than_95_percent():
    assert summarise([0.1, 0.95])["success_ever"] == 0
    assert summarise([0.1, 0.951])["success_at_end"] == 1


def test_frames_follow_the_state_at_any_resolution():
    for side in (32, 224):
        env = PushT(PushTConfig(resolution=side))
        env.reset(1)
        x, y = (env.proprio() / TABLE * side).astype(int)
        red, _, blue = env.render()[0, y, x].astype(int)
        assert blue > red + 100, "the agent is not drawn where it is"


@pytest.mark.parametrize("seed", [0, 1, 2, 1 << 61 | 5])
def test_planner_solves_it(env, seed):
    steps = play(env, seed)
    assert env.score()["final_coverage"] > 0.95
    assert steps < 300


def test_planner_is_decided_by_its_seed(env):
    def first_actions(seed):
        env.reset(4)
        expert = env.expert(seed)
        actions = []
        for _ in range(25):
            actions.append(expert.act())
            env.step(actions[-1])
        return np.array(actions)

    assert np.array_equal(first_actions(1), first_actions(1))
    assert not np.array_equal(first_actions(1), first_actions(2))


# ------------------------------------------------------------------------------------------- recordings made by the test


def write_array(folder, values, chunk):
    folder.mkdir(parents=True)
    codec = numcodecs.Blosc(cname="zstd", clevel=5, shuffle=2)
    meta = {"zarr_format": 2, "shape": values.shape, "chunks": [chunk, *values.shape[1:]], "dtype": values.dtype.str}
    meta |= {"compressor": codec.get_config(), "fill_value": 0, "filters": None, "order": "C"}
    (folder / ".zarray").write_text(json.dumps(meta))
    for index in range(0, len(values), chunk):
        block = np.zeros((chunk, *values.shape[1:]), values.dtype)
        block[: len(values) - index] = values[index : index + chunk]
        name = ".".join([str(index // chunk), *["0"] * (values.ndim - 1)])
        (folder / name).write_bytes(codec.encode(np.ascontiguousarray(block)))


LENGTHS = (30, 25)


@pytest.fixture
def arrays():
    """Two short recordings, as the tool that recorded the human ones would have written them."""
    table, planner = Table(), PushT(PushTConfig())
    rows = {"data/state": [], "data/action": [], "data/img": []}
    for seed, length in enumerate(LENGTHS):
        planner.reset(seed)
        expert = planner.expert(seed)
        table.reset(seed)
        table.put(planner._table.agent, planner._table.block)
        for _ in range(length):
            action = np.clip(expert.act(), 0, TABLE).astype(np.float32)
            planner.step(action)
            rows["data/state"].append([*table.agent, *table.block])
            rows["data/action"].append(action)
            rows["data/img"].append(table.image(96))
            table.drive(action)
    found = {name: np.array(values, np.float32) for name, values in rows.items()}
    return found | {"meta/episode_ends": np.cumsum(LENGTHS)}


@pytest.fixture
def recorded(tmp_path, arrays):
    """A function that writes the recordings, possibly changed, and imports them."""

    def run(**changes):
        folder = tmp_path / RECORDINGS
        for name, values in arrays.items():
            change = changes.get(name.split("/")[1])
            write_array(folder / name, change(values.copy()) if change else values, 16)
        return import_from(folder)

    return run


def import_from(folder):
    return list(PushT.import_demonstrations(PushTConfig(resolution=48, demonstrations="human", human_path=str(folder))))


def test_import_gives_the_recorded_actions_and_states(recorded, arrays):
    episodes = recorded()
    assert [len(e.actions) for e in episodes] == list(LENGTHS)
    spec = PushT.spec(PushTConfig())
    for episode in episodes:
        widths = {"actions": 2, "states": spec.state_dim, "proprio": 2}
        check_episode(episode, (len(episode.actions), 1, 48, 48, 3), widths, "here")
        assert episode.info["replay_block_error"] < 0.1
    assert np.array_equal(np.concatenate([e.actions for e in episodes]), arrays["data/action"])
    states = np.concatenate([e.states for e in episodes])
    assert np.array_equal(states[:, :4], arrays["data/state"][:, :4])
    assert np.allclose(np.arctan2(states[:, 5], states[:, 4]), np.angle(np.exp(1j * arrays["data/state"][:, 4])), atol=1e-5)


def test_data_import_replays_the_recordings_and_prints_how_far_they_stray(recorded, arrays, tmp_path, capsys):
    recorded()
    home, name = str(tmp_path / "runs"), "pushed"
    assert main(["data", "import", str(tmp_path), "--format", "auto", "--name", name, "--home", home, "--quiet"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "2 episodes, 55 frames"
    said = {line[:28].strip(): [float(number) for number in line[28:].split()] for line in printed[4:]}
    assert max(said["agent error, pixels of 512"]) < 0.001
    assert max(said["block error, pixels of 512"]) < 0.1
    table, final = Table(), []
    for start, stop in ((0, LENGTHS[0]), (LENGTHS[0], sum(LENGTHS))):
        table.reset(0)
        table.put(arrays["data/state"][start, :2], arrays["data/state"][start, 2:])
        for action in arrays["data/action"][start:stop]:
            table.drive(action)
        final.append(table.coverage())
    assert said["final_coverage"] == pytest.approx([np.mean(final), np.max(final)], rel=0.01)


def test_replaying_actions_that_belong_to_other_states_shows(arrays, env):
    states, actions = arrays["data/state"][:30], arrays["data/action"][:30]
    assert env.replay(states, actions)["agent error, pixels of 512"] < 0.001
    assert env.replay(states, np.roll(actions, 1, axis=0))["agent error, pixels of 512"] > 5


def test_import_finds_the_data_set_in_its_parent_folder(recorded, tmp_path):
    assert len(recorded()) == len(import_from(tmp_path))


def at(row, value):
    def change(values):
        values[row] = value
        return values

    return change


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"action": at(40, np.nan)}, r"data/action contains NaN.*row 40"),
        ({"action": at(7, 600)}, r"data/action: the action in row 7 leaves the table"),
        ({"state": at(3, np.inf)}, r"data/state contains NaN or infinite.*row 3"),
        ({"action": lambda a: a[:, :1]}, r"data/action has shape \(55, 1\)"),
        ({"action": lambda a: a[:-1]}, r"data/action has shape \(54, 2\)"),
        ({"img": lambda i: i[:, :48]}, r"data/img has shape"),
        ({"action": lambda a: np.roll(a, 1, axis=0)}, r"actions lead the agent"),
        ({"img": lambda i: np.roll(i, 5, axis=0)}, r"data/img: the images of episode 0 differ"),
        ({"episode_ends": at(1, 54)}, r"episode_ends: the ends .* do not rise one by one to 55"),
        ({"episode_ends": at(0, 55)}, r"episode_ends: the ends"),
        ({"episode_ends": at(0, 0)}, r"episode_ends: the ends"),
        ({"episode_ends": lambda e: e.astype(np.float32)}, r"episode_ends holds no list of integers"),
    ],
)
def test_import_refuses_wrong_values(recorded, change, complaint):
    with pytest.raises(BenchmarkError, match=complaint):
        recorded(**change)


def meta(**values):
    def damage(folder):
        path = folder / "data/state/.zarray"
        path.write_text(json.dumps(json.loads(path.read_text()) | values))

    return damage


def truncate(folder):
    path = folder / "data/action/1.0"
    path.write_bytes(path.read_bytes()[:-10])


def lie_about_the_size(folder):
    path = folder / "data/state/0.0"
    stored = path.read_bytes()
    path.write_bytes(stored[:4] + struct.pack("<I", 1 << 30) + stored[8:])


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (truncate, r"data/action/1\.0 is truncated"),
        (lambda folder: (folder / "data/action/1.0").write_bytes(b""), r"data/action/1\.0 is truncated"),
        (lambda folder: (folder / "data/img/2.0.0.0").unlink(), r"data/img/2\.0\.0\.0 does not exist"),
        (lie_about_the_size, r"data/state/0\.0 is truncated or damaged"),
        (lambda folder: (folder / "data/state/.zarray").write_text("{"), r"data/state/\.zarray cannot be read"),
        (lambda folder: (folder / "data/state/.zarray").unlink(), r"data/state/\.zarray does not exist"),
        (meta(compressor={"id": "pickle"}), r"data/state/\.zarray: only"),
        (meta(dtype="|O"), r"data/state/\.zarray: only"),
        (meta(chunks=[16, 1]), r"data/state/\.zarray: chunks"),
        (meta(shape=[10**12, 5]), r"data/(state|action) has shape"),
    ],
)
def test_import_refuses_damaged_files(recorded, tmp_path, damage, complaint):
    recorded()
    damage(tmp_path / RECORDINGS)
    with pytest.raises(BenchmarkError, match=complaint):
        import_from(tmp_path)


def test_absent_recordings_say_where_to_get_them(tmp_path, monkeypatch):
    monkeypatch.delenv(RECORDINGS_VARIABLE, raising=False)
    for path in ("", str(tmp_path)):
        config = PushTConfig(demonstrations="human", human_path=path)
        assert "diffusion-policy.cs.columbia.edu" in PushT.unavailable_reason(config)
        with pytest.raises(Unavailable, match=RECORDINGS_VARIABLE):
            PushT.import_demonstrations(config)
    assert PushT.unavailable_reason(PushTConfig()) is None


# --------------------------------------------------------------------------------------------------- the human recordings


@needs_data
def test_human_recordings_are_complete_and_import():
    recordings = Recordings(DATA / RECORDINGS)
    assert (len(recordings.ends), len(recordings.states)) == (206, 25650)
    table = Table()
    episodes = [recordings.episode(number, table, 96) for number in (0, 205)]  # raises beyond the stated errors
    assert all(0.85 < e.info["score"]["final_coverage"] < 1 for e in episodes)


@needs_data
def test_frames_match_the_recorded_pictures():
    recordings, table = Recordings(DATA / RECORDINGS), Table()
    recorded = recordings._pictures.read(0, int(recordings.ends[0]))
    drawn = recordings.episode(0, table, 96).frames[:, 0]
    difference = np.abs(drawn - recorded)
    assert difference.mean() < 0.2, "grey levels of 255"
    assert (difference.max(axis=-1) > 60).mean() < 0.002, "share of pixels that clearly differ"


@needs_data
def test_replaying_recorded_actions_gives_the_recorded_states():
    recordings, theirs = Recordings(DATA / RECORDINGS), PushTEnv(obs_type="state")
    agent_errors, block_errors = [], []
    for number in range(1, 206, 30):
        start, stop = recordings.ends[number - 1 : number + 1]
        first = recordings.states[start].astype(float)
        theirs.reset(seed=0)
        theirs.agent.position = tuple(first[:2])
        theirs.block.angle = first[4]
        theirs.block.position = tuple(first[2:4])
        for row in range(start, stop - 1):
            _, _, _, _, info = theirs.step(recordings.actions[row])
            agent_errors.append(np.linalg.norm(info["pos_agent"] - recordings.states[row + 1, :2]))
            block_errors.append(np.linalg.norm(info["block_pose"][:2] - recordings.states[row + 1, 2:4]))
    assert max(agent_errors) < 0.001, "pixels of 512"
    assert np.median(block_errors) < 0.001
    assert max(block_errors) < 1
