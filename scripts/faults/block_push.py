"""Faults of block pushing."""

from faults.fault import Fault

TESTS = "envs/test_block_push.py"

FAULTS = (
    Fault(
        "block_push: the floor lies over what stands on it",
        "envs/block_push/cameras.py",
        "front[1] < behind[1]",
        "front[1] > behind[1]",
        f"{TESTS}::test_floor_and_table_drawn_once_give_the_image_of_all_drawn_together",
    ),
    Fault(
        "block_push: coarse meshes have triangles without area",
        "envs/block_push/arm.py",
        "first[distinct[first]]",
        "first",
        f"{TESTS}::test_a_coarse_mesh_keeps_its_shape",
    ),
    Fault(
        "block_push: nothing pushes the demonstrator",
        "envs/block_push/oracle.py",
        "return action + self._push * self._pushed",
        "return action",
        f"{TESTS}::test_what_pushes_the_oracle_lasts_and_is_not_recorded",
    ),
    Fault(
        "block_push: the demonstrator does not go round a block that it is beside",
        "envs/block_push/oracle.py",
        "if abs(left) < CLEAR:",
        "if False:",
        f"{TESTS}::test_oracle_comes_back_behind_a_block_that_slipped[beside the block, it makes room]",
    ),
    Fault(
        "block_push: the demonstrator pushes from wherever it is",
        "envs/block_push/oracle.py",
        "if ahead <= -FACE and abs(left) < LANE:",
        "if True:",
        f"{TESTS}::test_oracle_comes_back_behind_a_block_that_slipped[beyond the block, it goes round]",
    ),
    Fault(
        "block_push: the demonstrator steers the effector, which lags, and not the command",
        "envs/block_push/oracle.py",
        "self._scene.command - self._position",
        "self._scene.effector - self._position",
        f"{TESTS}::test_oracle_comes_back_behind_a_block_that_slipped[well beside the block, it goes back]",
    ),
    Fault(
        "block_push: heads plan for eight steps, as where nothing pushes",
        "policies/_shared/parts.py",
        '("block_push", SHORT_HORIZON)',
        '("block_push", QUICK_HORIZON)',
        "policies/test_policy_parts.py::test_where_the_scene_tells_all_heads_see_no_past_and_plan_at_every_second_step",
    ),
)
