"""Block pushing: the layout, the score, the cameras and the units are the published ones; the oracle solves it in four ways."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from benchmark.contracts.environment import EnvConfig
from benchmark.envs.block_push import BlockPush
from benchmark.envs.block_push.layout import ACTION_UNIT, BLOCKS, TARGETS, Layout, draw_layout
from benchmark.envs.block_push.score import Tally

pybullet = pytest.importorskip("pybullet", reason="python -m pip install -e .[block_push]")

from benchmark.envs.block_push import cameras  # noqa: E402  after the check that PyBullet is there
from benchmark.envs.block_push.arm import coarse  # noqa: E402
from benchmark.envs.block_push.oracle import Delivery  # noqa: E402
from benchmark.envs.block_push.scene import Scene  # noqa: E402

FAR = Layout(np.array([[0.3, -0.2, 0.3], [0.5, -0.2, 0.9]]), np.array([[0.28, 0.2, np.pi], [0.52, 0.2, np.pi]]))


@pytest.fixture(scope="module")
def env():
    env = BlockPush(EnvConfig(resolution=128))
    yield env
    env.close()


def play(env, seed):
    """Runs the oracle; returns the number of steps and the first block and target that came together."""
    env.reset(seed)
    oracle, steps, first, over = env.expert(seed), 0, None, False
    while not over and steps < 300 and (action := oracle.act()) is not None:
        over = env.step(oracle.executed(action).astype(np.float32))
        steps += 1
        gaps = np.linalg.norm(env._scene.blocks[:, None, :2] - env._scene.targets[None], axis=-1)
        if first is None and gaps.min() < 0.05:
            first = np.unravel_index(gaps.argmin(), (2, 2))
    return steps, first, oracle.info["order"], over


# ------------------------------------------------------------------------------------------------------- the environment


def test_the_seed_decides_the_layout_alone(env):
    env.reset(11)
    first = env.state()
    np.random.seed(5)  # noqa: NPY002
    for _ in range(15):
        env.step(np.array([3, -2], np.float32))
    env.reset(12)
    assert not np.array_equal(env.state(), first)
    env.reset(11)
    assert np.array_equal(env.state(), first)


def test_layouts_lie_where_published():
    layouts = [draw_layout(np.random.default_rng(seed)) for seed in range(300)]
    blocks, targets = np.array([x.blocks for x in layouts]), np.array([x.targets for x in layouts])
    assert (np.abs(blocks[:, :, :2] - [0.4, -0.2]) <= [0.1, 0.15]).all()
    assert (np.abs(blocks[:, 0, 0] - blocks[:, 1, 0]) > 0.1).all()
    assert (blocks[..., 2] >= 0).all()
    assert (blocks[..., 2] <= np.pi).all()
    assert (np.abs(np.sort(targets[..., 0], axis=1) - [0.28, 0.52]) <= 0.005).all()
    assert (np.abs(targets[..., 1] - 0.2) <= 0.0075).all()
    flipped = (targets[:, 0, 0] > targets[:, 1, 0]).mean()
    assert 0.4 < flipped < 0.6, "the sides of the targets are flipped half of the time"


def test_an_action_of_one_moves_the_effector_by_three_centimetres(env):
    env.reset(0)
    start = env.proprio()
    for _ in range(4):
        env.step(np.array([0, -1], np.float32) * 0.5)
    for _ in range(5):
        env.step(np.zeros(2, np.float32))
    assert np.allclose(env.proprio()[2:] - start[2:], [0, -2 * 0.03], atol=1e-6)
    assert np.allclose(env.proprio()[:2], env.proprio()[2:], atol=0.005), "the arm has followed the command"


def test_the_effector_stays_in_the_workspace(env):
    env.reset(0)
    for _ in range(12):
        env.step(np.array([-3.3, -3.3], np.float32))
    assert np.allclose(env.proprio()[2:], [0.15, -0.5])


def test_a_block_turned_by_a_quarter_has_the_same_state(env):
    env._scene.reset(FAR)
    before = env.state()
    env._scene.reset(Layout(FAR.blocks + np.array([0, 0, np.pi / 2]), FAR.targets))
    assert np.allclose(env.state(), before, atol=2e-3)


def test_blocks_lie_where_the_published_cameras_would_see_them():
    """Pinhole projection with the intrinsics fx = fy = 0.803 widths, against the pixels that are coloured like each block."""
    env, side = BlockPush(EnvConfig(resolution=224)), 224
    env._scene.reset(FAR)
    cameras = [((1, 0, 0.75), (np.pi / 4, np.pi, -np.pi / 2)), ((0.35, 0.7, 0.75), (np.pi / 4, np.pi, 0))]
    for image, (position, euler) in zip(env.render().astype(int), cameras, strict=True):
        red, green, blue = np.moveaxis(image, -1, 0)
        seen = [(red > 150) & (abs(green - blue) < 15) & (red > 2 * green) & (green > 40)]
        seen.append((green > 150) & (abs(red - blue) < 15) & (green > 2 * red) & (red > 40))
        for mask, (x, y, _) in zip(seen, FAR.blocks, strict=True):
            at = Rotation.from_euler("xyz", euler).inv().apply(np.array([x, y, 0.02]) - position)
            column, row = 0.803 * side * at[:2] / at[2] + side / 2
            rows, columns = np.nonzero(mask[int(row) - 8 : int(row) + 9, int(column) - 8 : int(column) + 9])
            assert len(rows) > 20, "the block is not where the camera should see it"
            assert abs(rows.mean() - 8) < 2.5
            assert abs(columns.mean() - 8) < 2.5
    env.close()


def test_floor_and_table_drawn_once_give_the_image_of_all_drawn_together(env):
    scene = Scene()
    scene.reset(draw_layout(np.random.default_rng(3)))
    composed = scene.images(96)
    scene._bullet.changeVisualShape(0, -1, rgbaColor=[1] * 4)
    look = scene._bullet.createVisualShape(pybullet.GEOM_BOX, halfExtents=cameras.TABLE_HALF, rgbaColor=cameras.TABLE_COLOUR)
    scene._bullet.createMultiBody(0, -1, look, cameras.TABLE_AT)
    for image, view in zip(composed, cameras.CAMERAS, strict=True):
        together, _ = cameras._drawn(scene._bullet, view, 96)
        assert len(np.unique(image.reshape(-1, 3), axis=0)) > 50
        assert np.array_equal(image, together)
    scene.close()


def test_a_coarse_mesh_keeps_its_shape():
    """A sphere of 10 cm in triangles of a few millimetres."""
    u, v = np.meshgrid(np.linspace(0, 2 * np.pi, 121), np.linspace(0, np.pi, 61))
    points = 0.1 * np.stack([np.cos(u) * np.sin(v), np.sin(u) * np.sin(v), np.cos(v)], axis=-1)
    a, b, c, d = points[:-1, :-1], points[:-1, 1:], points[1:, :-1], points[1:, 1:]
    corners = np.concatenate([np.stack([a, c, b], 2).reshape(-1, 3, 3), np.stack([b, c, d], 2).reshape(-1, 3, 3)])
    after = coarse(corners, 0.012)
    assert len(after) < len(corners) / 5
    assert np.abs(np.linalg.norm(after, axis=-1) - 0.1).max() < 0.002
    spans = np.cross(after[:, 1] - after[:, 0], after[:, 2] - after[:, 0])
    assert np.linalg.norm(spans, axis=1).min() > 0, "no triangle has shrunk to a line"
    assert np.linalg.norm(spans, axis=1).sum() / 2 == pytest.approx(4 * np.pi * 0.1**2, rel=0.05), "no hole"
    assert ((spans * after.mean(1)).sum(1) > 0).mean() > 0.99, "faces still look outwards"


# ------------------------------------------------------------------------------------------------------------- the score


def by_the_book(track, targets):
    """The release's counting, loop by loop, and the number of blocks in targets at one time by trying both assignments."""
    entered, best = [[False] * 2, [False] * 2], 0
    for blocks in track:
        for t in range(2):
            for b in range(2):
                if not entered[t][b] and np.linalg.norm(blocks[b] - targets[t]) < 0.05:
                    entered[t][b] = True
        for assignment in ((0, 1), (1, 0)):
            best = max(best, sum(np.linalg.norm(blocks[b] - targets[t]) < 0.05 for b, t in enumerate(assignment)))
    return best, sum(map(sum, entered))


def test_score_agrees_with_counting_by_hand():
    targets, seen = FAR.targets[:, :2], set()
    for seed in range(300):
        rng = np.random.default_rng(seed)
        track = targets[rng.integers(0, 2, (rng.integers(1, 6), 2))] + rng.normal(0, 0.05, (1, 2, 2))
        tally = Tally()
        for blocks in track:
            tally.see(blocks, targets)
        scores = tally.scores()
        assert (scores["blocks"], scores["entered"]) == by_the_book(track, targets)
        assert scores["success"] == (scores["blocks"] == 2) == tally.complete
        seen.add((scores["blocks"], scores["entered"]))
    assert {(1, 2), (2, 2), (2, 4), (0, 0)} <= seen, "the cases that tell the scores apart"


def test_one_block_in_two_targets_in_turn_counts_once():
    targets, away, tally = FAR.targets[:, :2], np.array([0.4, -0.3]), Tally()
    for place in (targets[0], away, targets[1], away, targets[0], away):
        tally.see(np.array([place, away]), targets)
    assert tally.scores() == {"blocks": 1, "blocks_at_end": 0, "entered": 2, "success": 0}


# ------------------------------------------------------------------------------------------------------------ the oracle


def test_oracle_chooses_all_four_ways_equally(env):
    env.reset(0)
    orders = [tuple(env.expert(seed).info["order"]) for seed in range(200)]
    counts = [orders.count(order) for order in set(orders)]
    assert len(counts) == 4
    assert min(counts) > 30


@pytest.mark.parametrize("seed", [0, 1, 2, 3, 1 << 61 | 9])
def test_oracle_delivers_both_blocks_as_announced(env, seed):
    steps, (block, target), order, over = play(env, seed)
    assert over
    assert env.score()["blocks"] == 2
    assert env.score()["success"] == 1
    assert steps < 250
    assert order[0] == f"{BLOCKS[block]} to {TARGETS[target]}"


def test_oracle_stays_below_the_published_speed(env):
    env.reset(5)
    oracle = env.expert(5)
    for _ in range(60):
        action = oracle.act()
        assert np.linalg.norm(action) * ACTION_UNIT <= 0.035 + 1e-9
        env.step(action.astype(np.float32))


def test_what_pushes_the_oracle_lasts_and_is_not_recorded(env):
    """What an action is answered with depends on the scene alone: a policy sees no more than that."""
    env.reset(5)
    oracle = env.expert(5)
    meant = oracle.act()
    pushes = np.stack([oracle.executed(meant) - meant for _ in range(4000)])
    assert np.array_equal(oracle.act(), meant)
    assert 0.05 <= oracle.info["push"] <= 0.35
    np.testing.assert_allclose(pushes.std(0), oracle.info["push"], rtol=0.1)
    following = [np.corrcoef(pushes[:-1, axis], pushes[1:, axis])[0, 1] for axis in range(2)]
    np.testing.assert_allclose(following, 0.7, atol=0.06)


# Where the command is, seen from a block that has to go along +y: to the right of it and behind it, in metres; and the way on.
PLACES = {
    "behind, it pushes": ((0.0, 0.04), (0, 1)),
    "behind and a little to the right, it comes back to the line while it pushes": ((0.01, 0.025), (-0.01, 0.015)),
    "behind and far to the right, it goes behind the block": ((0.04, 0.04), (-0.04, -0.01)),
    "beside the block, it makes room": ((0.03, 0.0), (1, 0)),
    "well beside the block, it goes back": ((0.07, 0.0), (0, -1)),
    "beyond the block, it goes round": ((0.01, -0.03), (1, 0)),
}


@pytest.mark.parametrize("place", PLACES)
def test_oracle_comes_back_behind_a_block_that_slipped(env, place):
    (right, back), way = PLACES[place]
    env._scene.reset(Layout(np.array([[0.3, -0.2, 0.3], [0.5, 0.2, 0.9]]), np.array([[0.3, 0.2, 0], [0.5, 0.2, 0]])))
    delivery = Delivery(env._scene, block=0, target=0)
    env._scene.command = env._scene.blocks[0, :2] + [right, -back]
    np.testing.assert_allclose(_direction(delivery.displacement()), _direction(way), atol=0.05)


def _direction(way):
    return np.asarray(way) / np.linalg.norm(way)
