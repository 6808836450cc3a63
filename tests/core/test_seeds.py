from __future__ import annotations

import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from benchmark.core.seeds import EVALUATION_BIT, evaluation_seed, seed

words = st.lists(st.one_of(st.text(max_size=8), st.integers(0, 2**40)), min_size=1, max_size=4)


@given(words, words)
def test_training_and_evaluation_can_never_meet(a: list[str | int], b: list[str | int]) -> None:
    assert seed(*a) < EVALUATION_BIT <= evaluation_seed(*b) < 2 * EVALUATION_BIT


def test_paths_differ() -> None:
    assert len({seed("rollout", env, s, e) for env in ("a", "b") for s in range(5) for e in range(200)}) == 2000


def test_another_process_draws_the_same() -> None:
    code = "from benchmark.core.seeds import seed; print(seed('rollout', 'kitchen', 3))"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert int(output) == seed("rollout", "kitchen", 3)
