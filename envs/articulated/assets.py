"""Cabinets that nobody built: size, handle, joint and looks of each are drawn from its number.

SpawnNet trains on 21 objects and evaluates on 12 drawers and 8 doors that were held out (github.com/johnrso/spawnnet).
Here both sets are drawn from seeds of their own *and* have handles of different families, so that what is held out differs in
kind and not by chance alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmark.core.seeds import numpy_rng

SEEN = 21  # training assets, as in SpawnNet
UNSEEN = {"drawer": 12, "door": 8}  # held-out ones, as in SpawnNet
FAMILIES = {False: ("bar", "rod", "knob"), True: ("arch", "tee", "disc")}  # of handles; held out: True
LONG = ("bar", "rod", "arch", "tee")  # have a direction, which the hand has to turn to
PANEL = 0.02  # m, thickness of what opens
PATTERNS = ("flat", "checker", "gradient")

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Handle:
    """Sizes in metres. `across` and `up` lead from the middle of the panel to the place of the handle."""

    family: str
    upright: bool
    across: float
    up: float
    stand: float  # from the panel to the axis of what is gripped
    length: float  # of a bar; unused of a knob
    radius: float  # half of what the fingers close on


@dataclass(frozen=True)
class Look:
    pattern: str
    colours: tuple[Triple, Triple]
    handle: Triple
    floor: Triple


@dataclass(frozen=True)
class Asset:
    """A cabinet with one drawer or one door. The panel's middle is `base + height / 2` above the floor."""

    name: str
    kind: str  # drawer | door
    held_out: bool
    width: float
    height: float
    depth: float
    base: float
    hinge: int  # of a door: +1 on the left side as the hand sees it, -1 on the right
    limit: float  # of the joint: m or rad
    damping: float
    friction: float
    handle: Handle
    look: Look


def assets(kind: str, held_out: bool) -> list[Asset]:
    """All of one set, always the same."""
    return [_draw(kind, held_out, number) for number in range(UNSEEN[kind] if held_out else SEEN)]


def _draw(kind: str, held_out: bool, number: int) -> Asset:
    split = "unseen" if held_out else "seen"
    rng = numpy_rng("articulated", kind, split, number)
    door = kind == "door"
    width, height = rng.uniform(0.26, 0.42), rng.uniform(0.26, 0.42) if door else rng.uniform(0.12, 0.24)
    hinge = int(rng.choice([-1, 1]))
    return Asset(
        name=f"{split}{number:02d}",
        kind=kind,
        held_out=held_out,
        width=width,
        height=height,
        depth=rng.uniform(0.2, 0.32),
        base=rng.uniform(0.08, 0.2),
        hinge=hinge,
        limit=rng.uniform(0.9, 1.4) if door else rng.uniform(0.14, 0.2),
        damping=rng.uniform(0.3, 1.2) if door else rng.uniform(4, 16),
        friction=rng.uniform(0.05, 0.2) if door else rng.uniform(0.5, 3),
        handle=_handle(FAMILIES[held_out][number % 3], door, hinge, width, height, rng),
        look=_look(rng),
    )


def _handle(family: str, door: bool, hinge: int, width: float, height: float, rng: np.random.Generator) -> Handle:
    """A drawer's is near its middle; a door's is on the side away from its hinge."""
    upright = family in LONG and bool(rng.random() < (0.75 if door else 0.25))
    longest = 0.8 * (height if upright else width) - 0.02
    length = min(rng.uniform(0.08, 0.14), longest)
    across = -hinge * width * rng.uniform(0.28, 0.34) if door else width * rng.uniform(-0.12, 0.12)
    if door and not upright:
        length = min(length, width * 0.28)  # it must not reach over the edge
    up = height * (rng.uniform(-0.2, 0.2) if door else rng.uniform(-0.1, 0.1))
    thin = family in LONG
    return Handle(
        family=family,
        upright=upright,
        across=across,
        up=up,
        stand=rng.uniform(0.036, 0.05),
        length=length,
        radius=rng.uniform(0.006, 0.010) if thin else rng.uniform(0.013, 0.018),
    )


def _look(rng: np.random.Generator) -> Look:
    def colour(low: float, high: float) -> Triple:
        red, green, blue = rng.uniform(low, high, 3)
        return float(red), float(green), float(blue)

    return Look(str(rng.choice(PATTERNS)), (colour(0.25, 0.95), colour(0.25, 0.95)), colour(0.05, 0.9), colour(0.3, 0.7))
