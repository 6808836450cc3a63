"""Drawers and doors: what is held out differs in kind, the expert opens all from anywhere, proprioception is blind."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmark.cli.main import main
from benchmark.conformance.environments import env_demonstrations, env_is_deterministic, env_observations
from benchmark.contracts.specs import FARTHEST
from benchmark.core.seeds import EVALUATION_BIT, evaluation_seed, numpy_rng, seed
from benchmark.envs.articulated import OPENED, Articulated, ArticulatedConfig, OpenDoor, OpenDrawer
from benchmark.envs.articulated.assets import FAMILIES, SEEN, UNSEEN, Asset, assets
from benchmark.envs.articulated.scene import CAMERAS, FOV, LOOK_AT, Scene, Start
from benchmark.models.encoders import WIDTHS
from benchmark.models.impala import side_of_map
from benchmark.planning.recipes import make_plan
from benchmark.planning.request import Request

KINDS = {OpenDrawer: "drawer", OpenDoor: "door"}
HERE = Start(0.0, (-0.35, 0.0, 0.3), 0.0)


@pytest.fixture(scope="module", params=KINDS, ids=lambda cls: cls.name)
def env(request: pytest.FixtureRequest) -> Iterator[Articulated]:
    env = request.param(ArticulatedConfig(resolution=64))
    yield env
    env.close()


def perform(env: Articulated, detour: int = 0) -> int:
    """Steps of the expert until it opened, after so many random ones."""
    rng = numpy_rng("detour", detour)
    for _ in range(detour):
        env.step(rng.uniform(-1, 1, 5).astype(np.float32))
    expert, steps = env.expert(0), 0
    while steps < 80 and not env.step(expert.act()):
        steps += 1
    return steps


# ---------------------------------------------------------------------------------------------------------- the assets


@pytest.mark.parametrize("kind", ["drawer", "door"])
def test_sets_have_the_published_sizes_and_no_handle_in_common(kind: str) -> None:
    seen, unseen = assets(kind, False), assets(kind, True)
    assert (len(seen), len(unseen)) == (SEEN, UNSEEN[kind]) == (21, {"drawer": 12, "door": 8}[kind])
    families = [{asset.handle.family for asset in some} for some in (seen, unseen)]
    assert families == [set(FAMILIES[False]), set(FAMILIES[True])]
    assert not families[0] & families[1]
    assert len({(a.width, a.height, a.depth) for a in [*seen, *unseen]}) == len(seen) + len(unseen)
    assert assets(kind, False) == seen


@pytest.mark.parametrize(
    "asset",
    [a for kind in KINDS.values() for held in (False, True) for a in assets(kind, held)],
    ids=lambda a: f"{a.kind}-{a.name}",
)
def test_a_handle_lies_on_its_panel_and_leaves_room_for_fingers(asset: Asset) -> None:
    handle = asset.handle
    along, width = (handle.up, asset.height) if handle.upright else (handle.across, asset.width)
    reach = handle.length / 2 if handle.family in ("bar", "rod", "arch", "tee") else handle.radius
    assert abs(along) + reach < width / 2 + 1e-9
    assert handle.stand - handle.radius > 0.015
    assert 2 * handle.radius < 0.04


@pytest.mark.parametrize(("kind", "hinge", "side"), [("drawer", 1, 0), ("door", 1, 1), ("door", -1, -1)])
def test_the_handle_comes_towards_the_hand_as_the_joint_opens(kind: str, hinge: int, side: int) -> None:
    asset = next(a for a in assets(kind, False) if kind == "drawer" or a.hinge == hinge)
    scene = Scene(asset, HERE)
    way, before = scene.way, scene.grasp
    scene.data.joint("opening").qpos[0] = 0.09
    scene.act(np.zeros(5))
    moved = scene.grasp - before
    assert moved[0] < -0.01
    assert way @ moved / np.linalg.norm(moved) > 0.99
    assert np.sign(round(moved[1], 3)) == np.sign(side) or kind == "drawer"


# ---------------------------------------------------------------------------------------------------------- the episodes


def test_demonstrations_show_training_assets_only_and_evaluation_both_sets(env: Articulated) -> None:
    shown = [env.held_out(seed("demonstrations", env.name, number)) for number in range(200)]
    asked = [env.held_out(evaluation_seed(env.name, 0, number)) for number in range(200)]
    assert not any(shown)
    assert 70 < sum(asked) < 130
    for number in range(6):
        env.reset(evaluation_seed(env.name, 0, number))
        assert env.score()["held_out"] == env.scene.asset.held_out == asked[number]


def test_the_seed_decides_the_episode(env: Articulated) -> None:
    env.reset(11)
    state, frames = env.state(), env.render()
    env.reset(12)
    env.step(np.ones(5, np.float32))
    assert not np.array_equal(env.state(), state)
    env.reset(11)
    assert np.array_equal(env.state(), state)
    assert np.array_equal(env.render(), frames)


def test_depth_comes_after_each_view_and_changes_nothing_else(env: Articulated) -> None:
    deep = type(env)(ArticulatedConfig(resolution=64, depth=True))
    try:
        assert deep.spec(deep.config).views == ("middle", "middle depth", "left", "left depth", "right", "right depth")
        for one in (env, deep):
            one.reset(11)
        frames = deep.render()
        assert np.array_equal(frames[::2], env.render())
        camera = np.array(CAMERAS["middle"])
        axis = (np.array(LOOK_AT) - camera) / np.linalg.norm(np.array(LOOK_AT) - camera)
        below = -camera[2] / (axis[2] - np.tan(np.deg2rad(FOV / 2)) * np.hypot(*axis[:2]))  # along the axis, to the floor
        assert np.abs(frames[1, -1, :8, 0] - 255 * below / FARTHEST).max() < 4
        env.step(np.ones(5, np.float32))
        deep.step(np.ones(5, np.float32))
        assert np.array_equal(deep.state(), env.state())
        assert np.array_equal(deep.proprio(), env.proprio())
    finally:
        deep.close()


@pytest.mark.parametrize("promise", [env_observations, env_is_deterministic, env_demonstrations])
def test_promises_hold_with_depth(promise: Callable[..., None]) -> None:
    promise(OpenDoor, ArticulatedConfig(resolution=64, episodes=2, depth=True))


def test_demonstrations_rollouts_and_rows_work_with_depth(tmp_path: Path) -> None:
    """One row sees depth beside colours, one takes depth for another view, and one cannot without."""
    rows = ["--methods", "spawnnet:depth=true,lfs:depth=true,random", "--policies", "mlp", "--preset", "smoke"]
    names = ["run", *rows, "--envs", "open_drawer", "--home", str(tmp_path), "--quiet"]
    settings = ["env.open_drawer.episodes=2", "fit.steps=2", "joint.batch=4", "rollout.episodes=1"]
    assert main([*names, "env.open_drawer.depth=true", *settings, "machine.threads=1", "machine.workers=0"]) == 0
    summaries = [json.loads(path.read_text())["summary"] for path in tmp_path.glob("rollout/*/manifest.json")]
    assert [(one["episodes"], one["crashed"]) for one in summaries] == [(1, 0)] * 3
    widths = [json.loads(path.read_text())["summary"]["dim"] for path in tmp_path.glob("embed/*/manifest.json")]
    last = 3 * side_of_map(64) ** 2  # of three pictures, by channels
    assert sorted(widths) == sorted([last * 2 * WIDTHS["smoke"], last * 2 * WIDTHS["smoke"], 6 * 8 * WIDTHS["smoke"]])


@pytest.mark.parametrize("row", ["spawnnet:depth=true", "lfs:depth=true"])
def test_without_depth_the_switch_is_refused_in_the_plan(row: str) -> None:
    [cell] = make_plan(Request(methods=[row], envs=["open_drawer"], policies=["mlp"], preset="smoke")).cells
    assert cell.refused == (
        "depth=true: the views of open_drawer have no depth. Fix it with: env.open_drawer.depth=true, if it has that"
    )


@pytest.mark.parametrize(
    ("setting", "refused"), [("joint.augment=bridge", True), ("shift.evaluation=mild", True), ("rollout.episodes=3", False)]
)
def test_depth_is_not_recoloured(setting: str, refused: bool) -> None:
    settings = ["env.open_drawer.depth=true", setting]
    asked = Request(methods=["lfs:depth=true"], envs=["open_drawer"], policies=["mlp"], preset="smoke", overrides=settings)
    [cell] = make_plan(asked).cells
    assert cell.refused == ("shift and joint.augment are of colours, and open_drawer shows depth" if refused else None)


@pytest.mark.parametrize("held_out", [False, True])
def test_the_expert_opens_every_asset(env: Articulated, held_out: bool) -> None:
    opened: dict[str, bool] = {}
    for number in range(400):
        seed_ = number | EVALUATION_BIT
        if env.held_out(seed_) != held_out:
            continue
        env.reset(seed_)
        name = env.scene.asset.name
        if name not in opened:
            perform(env)
            opened[name] = env.score()["opened"] == 1
    assert len(opened) == (UNSEEN[env.kind] if held_out else SEEN)
    assert all(opened.values())


@pytest.mark.parametrize("detour", [5, 12, 20])
def test_the_expert_opens_from_where_others_left_the_hand(env: Articulated, detour: int) -> None:
    for number in range(8):
        env.reset(seed("detour", number))
        assert perform(env, detour) < 80


def test_success_is_the_joint_past_the_published_place_at_any_time(env: Articulated) -> None:
    env.reset(3)
    assert env.score()["opened"] == 0
    env.scene.data.joint("opening").qpos[0] = OPENED - 0.01
    assert not env.step(np.zeros(5, np.float32))
    env.scene.data.joint("opening").qpos[0] = OPENED + 0.02
    assert env.step(np.zeros(5, np.float32))
    env.scene.data.joint("opening").qpos[0] = 0
    env.step(np.zeros(5, np.float32))
    assert env.score()["opened"] == 1


def test_proprioception_knows_nothing_of_the_cabinet(env: Articulated) -> None:
    """SpawnNet's holds position and speed of its joint and a flag from the true place of the handle."""
    told = []
    for asset in (assets(env.kind, False)[0], assets(env.kind, False)[5]):
        env._scene = Scene(asset, HERE)
        env.scene.data.joint("opening").qpos[0] = 0.05 * len(told)
        told.append(env.proprio())
    assert np.array_equal(*told)
    assert len(env.state()) > len(told[0])
