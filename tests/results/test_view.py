from __future__ import annotations

from benchmark.results.view import Frames, Key, Options, Place
from tests.fake_results import make


def test_the_scores_of_each_training_seed_stay_a_group() -> None:
    """Pooled, 30 episodes of three seeds would look like 30 independent runs."""
    records, cells = make(seeds=3, episodes=10)
    frames = Frames(records.sample(frac=1, random_state=0), cells, Options())
    place, key = Place("kitchen", "mlp"), Key("byol")
    groups = frames.groups(place, key)
    mine = records[(records.method == "byol")]
    assert [group.tolist() for group in groups] == [mine[mine.seed == seed].score.tolist() for seed in range(3)]
    assert [len(group) for side in frames.paired(place, key, Key("dynamo")) for group in side] == [10] * 6
    assert frames.interval(place, key).covers == "seeds and episodes"
