"""What a collector keeps of an expert's labels."""

from __future__ import annotations

import numpy as np

from benchmark.simulation.collector import Collector
from benchmark.simulation.protocol import Slots
from tests.toy import Toy


class Resting:
    """A controller that does nothing."""

    def needs_frame(self, time: int) -> bool:
        return False

    def begin(self, slot: int, seed: int) -> None:
        pass

    def act(self, slots: Slots) -> np.ndarray:
        return np.zeros((len(slots.active), 2), np.float32)


def test_labels_are_within_the_bounds_of_actions() -> None:
    """As those of demonstrations, which the environment would not take otherwise."""
    collector = Collector(Resting(), Toy.spec(None))
    collector.begin(0, 7)
    one = np.ones(1, np.int64)
    frames, seen = np.zeros((1, 1, 8, 8, 3), np.uint8), np.zeros((1, 4), np.float32)
    labels = np.array([[3.0, -0.25]], np.float32)
    collector.act(Slots(one > 0, one, frames, one > 0, seen[:, :2], seen, labels))
    collector.act(Slots(one > 0, one, frames, one > 0, seen[:, :2], seen, -labels))
    assert collector.episode(7, {}).actions.tolist() == [[1.0, -0.25], [-1.0, 0.25]]
