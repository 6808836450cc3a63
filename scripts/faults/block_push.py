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
)
