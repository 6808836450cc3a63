"""Faults of RT-1: its tokens, masks, bins and what it is told."""

from faults.fault import Fault

NETWORK = "models/test_rt1.py"
HEAD = "policies/test_rt1.py"

FAULTS = (
    Fault(
        "rt1: an action looks at the actions before it",
        "benchmark/models/rt1.py",
        "return causal & ~(action[:, None] & action)",
        "return causal",
        f"{NETWORK}::test_the_mask_is_the_releases",
    ),
    Fault(
        "rt1: an answer is read at its own place",
        "benchmark/models/rt1.py",
        "[:, :, count - 1 : -1]",
        "[:, :, count:]",
        f"{NETWORK}::test_the_transformer_is_the_releases",
    ),
    Fault(
        "rt1: FiLM starts at zero",
        "benchmark/models/film.py",
        "return (1 + gamma.view(shape)) * x",
        "return gamma.view(shape) * x",
        f"{NETWORK}::test_film_starts_as_the_identity_and_is_linear_in_what_is_told",
    ),
    Fault(
        "rt1: places share tokens instead of tokens places",
        "benchmark/models/film.py",
        "torch.softmax(scores, dim=1)",
        "torch.softmax(scores, dim=2)",
        f"{NETWORK}::test_a_token_is_an_average_of_places",
    ),
    Fault(
        "rt1: images are padded as by PyTorch",
        "benchmark/models/film_efficientnet.py",
        "(side - 1, side, side - 1, side)",
        "(side, side, side, side)",
        f"{NETWORK}::test_tokens_and_bins_as_published",
    ),
    Fault(
        "rt1: blocks are told nothing",
        "benchmark/models/film_efficientnet.py",
        "x = _told(next(films), block(x), told)",
        "x = block(x)",
        f"{NETWORK}::test_every_block_is_told_the_goal",
    ),
    Fault(
        "rt1: of an image as goal one token is told",
        "benchmark/models/film_efficientnet.py",
        "unflatten(1, (self.tokens, -1)).mean(1)",
        "unflatten(1, (self.tokens, -1))[:, 0]",
        f"{NETWORK}::test_what_a_goal_is_told_as",
    ),
    Fault(
        "rt1: actions are cut off to the bin below",
        "policies/rt1.py",
        "(bins - 1)).round().long()",
        "(bins - 1)).long()",
        f"{HEAD}::test_an_action_becomes_the_nearest_of_256_values",
    ),
    Fault(
        "rt1: views are pooled into one another",
        "policies/rt1.py",
        "features.reshape(n * history * self.spec.views, self.spec.tokens, -1)",
        "features.reshape(n * history * self.spec.views, -1, self.spec.tokens).transpose(1, 2)",
        f"{HEAD}::test_places_of_a_view_become_its_tokens",
    ),
    Fault(
        "rt1: samples are told the goals of others",
        "policies/rt1.py",
        "goal.repeat_interleave(history * self.spec.views, 0)",
        "goal.repeat(history * self.spec.views, 1)",
        f"{HEAD}::test_the_goal_and_proprioception_change_what_is_done",
    ),
    Fault(
        "rt1: the goal is added to what is seen",
        "policies/rt1.py",
        """self.project, self.film = nn.Linear(width, config.width), FiLM(spec.goal_dim, config.width)
            width = config.width""",
        "self.project, self.film = nn.Identity(), FiLM(spec.goal_dim, width)",
        f"{HEAD}::test_what_it_learns_of_few_samples_holds_for_others_and_follows_the_goal",
    ),
    Fault(
        "rt1: more bins than there are actions to fill them",
        "policies/rt1.py",
        '"bins": 32, "layers": 2',
        '"bins": 256, "layers": 2',
        f"{HEAD}::test_what_it_learns_of_few_samples_holds_for_others_and_follows_the_goal",
    ),
    Fault(
        "rt1: it learns from the action after",
        "benchmark/data/chunks.py",
        "taken=self.actions[past] if",
        "taken=self.actions[torch.minimum(past + 1, last)] if",
        "data/test_chunks.py::test_gather_equals_a_loop",
    ),
    Fault(
        "rt1: its tokenizer is standardised by what it was before training",
        "benchmark/planning/recipes.py",
        "(config.fit.standardise and fitting.method.standardised)",
        "config.fit.standardise",
        "planning/test_graph.py::test_features_of_no_scale_yet_are_not_standardised",
    ),
)
