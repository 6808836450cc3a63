"""Faults of articulated."""

from faults.fault import Fault

ENV, SCENE, EXPERT, ASSETS = (f"envs/articulated/{name}.py" for name in ("__init__", "scene", "expert", "assets"))
TEST, DRAWN = "envs/test_articulated.py", "simulation/test_drawing.py"

FAULTS = (
    Fault(
        "articulated: demonstrations show what is held out",
        ENV,
        "return bool(seed & EVALUATION_BIT) and bool(",
        "return bool(",
        f"{TEST}::test_demonstrations_show_training_assets_only_and_evaluation_both_sets[open_door]",
    ),
    Fault(
        "articulated: held-out handles are of the training families",
        ASSETS,
        "FAMILIES[held_out][number % 3]",
        "FAMILIES[False][number % 3]",
        f"{TEST}::test_sets_have_the_published_sizes_and_no_handle_in_common[drawer]",
    ),
    Fault(
        "articulated: doors open into the cabinet",
        SCENE,
        'f"0 0 {-asset.hinge}"',
        'f"0 0 {asset.hinge}"',
        f"{TEST}::test_the_handle_comes_towards_the_hand_as_the_joint_opens[door-1-1]",
    ),
    Fault(
        "articulated: success is where the joint is now",
        ENV,
        "self._farthest = max(self._farthest, self.scene.opening)",
        "self._farthest = self.scene.opening",
        f"{TEST}::test_success_is_the_joint_past_the_published_place_at_any_time[open_drawer]",
    ),
    Fault(
        "articulated: proprioception knows how far it is open",
        ENV,
        "*s.command, s.turn]",
        "*s.command, s.opening]",
        f"{TEST}::test_proprioception_knows_nothing_of_the_cabinet[open_door]",
    ),
    Fault(
        "articulated: depth is what GL keeps",
        "benchmark/simulation/drawing.py",
        "return near / (1 - depth.astype(np.float64) * (1 - near / far))",
        "return near + depth.astype(np.float64) * (far - near)",
        f"{DRAWN}::test_a_plane_across_the_axis_is_equally_deep_everywhere[1.2]",
    ),
    Fault(
        "articulated: depth is upside down",
        "benchmark/simulation/drawing.py",
        "self._metres(1 - depths) / farthest",
        "self._metres(1 - depths)[::-1] / farthest",
        f"{DRAWN}::test_a_plane_across_the_axis_is_equally_deep_everywhere[1.2]",
    ),
    Fault(
        "articulated: depth is not clipped",
        "benchmark/simulation/drawing.py",
        "np.minimum(self._metres(1 - depths) / farthest, 1)",
        "(self._metres(1 - depths) / farthest)",
        f"{DRAWN}::test_what_is_farther_is_clipped",
    ),
    Fault(
        "articulated: depth is promised where there is none",
        "benchmark/models/images.py",
        "if wanted and not all_with_depth(data.views):",
        "if False:",
        f"{TEST}::test_without_depth_the_switch_is_refused_in_the_plan[lfs:depth=true]",
    ),
    Fault(
        "articulated: depth is coloured",
        "benchmark/planning/refusals.py",
        "if recoloured and all_with_depth(spec.views):",
        "if False:",
        f"{TEST}::test_depth_is_not_recoloured[joint.augment=bridge-True]",
    ),
    Fault(
        "articulated: the expert closes the hand before it is there",
        EXPERT,
        "if before > DEEP:",
        "if before > 1:",
        f"{TEST}::test_the_expert_opens_every_asset[open_door-False]",
    ),
)
