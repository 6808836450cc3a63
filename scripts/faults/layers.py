"""Faults of scenes of which a part is drawn once."""

from faults.fault import Fault

CODE = "benchmark/simulation/layers.py"
TEST = "simulation/test_layers.py"

FAULTS = (
    Fault(
        "layers: what rests is always in front",
        CODE,
        "over = depths >= layer.image[1]",
        "over = depths > 2",
        f"{TEST}::test_nothing_differs_where_things_move_before_and_behind_what_rests",
    ),
    Fault(
        "layers: glass before what rests is lost",
        CODE,
        "over = depths >= layer.image[1]",
        "over = depths > layer.image[1]",
        f"{TEST}::test_nothing_differs_behind_glass[both]",
    ),
    Fault(
        "layers: glass that rests is kept with what it hides",
        CODE,
        "np.flatnonzero(rests & shown & ~clear)",
        "np.flatnonzero(rests & shown)",
        f"{TEST}::test_nothing_differs_behind_glass[rests]",
    ),
    Fault(
        "layers: nothing is behind glass",
        CODE,
        "return seen[seen >= 0]",
        "return seen[:0]",
        f"{TEST}::test_nothing_differs_behind_glass[moves]",
    ),
    Fault(
        "layers: glass is looked for where it is not",
        CODE,
        "axes = eye.up, np.cross(eye.forward, eye.up)",
        "axes = eye.up, np.cross(eye.up, eye.forward)",
        f"{TEST}::test_nothing_differs_behind_glass[moves]",
    ),
    Fault(
        "layers: all that rests is drawn again with glass",
        CODE,
        "self._model.geom_group[self._rests] = HIDDEN",
        "self._model.geom_group[self._rests[:0]] = HIDDEN",
        f"{TEST}::test_nothing_differs_behind_glass[moves]",
    ),
    Fault(
        "layers: a light that moves leaves what rests as it was",
        CODE,
        ", data.light_xpos, data.light_xdir)",
        ")",
        f"{TEST}::test_a_light_that_moves_lights_what_rests",
    ),
    Fault(
        "layers: what rests stays where it was first",
        CODE,
        "places = (data.geom_xpos[self._rests], data.geom_xmat[self._rests],",
        "places = (",
        f"{TEST}::test_what_rests_may_be_put_elsewhere",
    ),
    Fault(
        "layers: what moves by a user's hand rests",
        CODE,
        " & (model.body_mocapid[model.body_rootid[body]] < 0)",
        "",
        f"{TEST}::test_nothing_differs_where_things_move_before_and_behind_what_rests",
    ),
    Fault(
        "layers: a layer for an eye that moves on",
        CODE,
        "if self._before.get(view) != state:",
        "if False:",
        f"{TEST}::test_a_camera_that_moves_sees_everything_anew",
    ),
    Fault(
        "layers: views share a layer",
        CODE,
        "state, layer = self._state(data, camera), self._layers.get(view)",
        "view, state, layer = 0, self._state(data, camera), self._layers.get(0)",
        f"{TEST}::test_nothing_differs_where_things_move_before_and_behind_what_rests",
    ),
    Fault(
        "layers: the kitchen is drawn whole",
        "envs/kitchen/render.py",
        ", layered=True)",
        ")",
        "envs/test_kitchen.py::test_what_never_moves_is_drawn_once_and_nothing_differs",
    ),
)
