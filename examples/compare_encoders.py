# %% [markdown]
# Which encoder is best on Push-T? A published network, its untrained control, and a method written here, under one policy.
# Each cell of this file is a cell of a notebook; on two cores it takes a few minutes. Raise the preset for real numbers.

# %%
from dataclasses import dataclass

import matplotlib.pyplot as plt
from torch import nn

import benchmark as bm
from benchmark.contracts.method import BatchSpec, Method, MethodConfig
from benchmark.models.encoders import build_backbone

# %% [markdown]
# A method of one's own: the encoder learns to say where the robot will be told to go.


# %%
@dataclass
class GuessConfig(MethodConfig):
    lr: float = 1e-3


@bm.register_method
class Guess(Method):
    """Predicts the action from the frame."""

    name = "guess"
    Config = GuessConfig
    presets = {"smoke": {"width": 8, "batch_size": 8}}

    def __init__(self, config, data):
        super().__init__(config, data)
        self.head = nn.Linear(self.encoder.dim, data.action_dim)

    @classmethod
    def build_encoder(cls, config, data):
        return build_backbone(config.backbone, config.width, data.resolution)

    @classmethod
    def batch_spec(cls, config):
        return BatchSpec(actions=True)

    def loss(self, batch, rng):
        guess = self.head(self.encoder(batch.frames[:, 0, 0]))
        loss = nn.functional.mse_loss(guess, batch.actions[:, 0])
        return loss, {"error": loss.detach()}


# %% [markdown]
# As a script, simulators are processes that import this file: what runs stands under `if __name__ == "__main__"`.

# %%
METHODS = ["guess", "timm:resnet18@random", "random"]
if __name__ == "__main__":
    print(bm.plan(METHODS, "pusht", "knn", preset="smoke")[["label", "stored", "seconds"]])
    tables = bm.run(METHODS, "pusht", "knn", preset="smoke")
    print(tables.scores)

# %%
if __name__ == "__main__":
    encoder = bm.load_encoder("guess")
    print(f"{encoder.dim} features of a frame")

# %%
if __name__ == "__main__":
    scores = bm.results().scores.sort_values("estimate")
    errors = [scores.estimate - scores.low, scores.high - scores.estimate]
    figure, axes = plt.subplots(figsize=(6, 2.5), layout="constrained")
    axes.errorbar(scores.estimate, scores.row, xerr=errors, fmt="o", capsize=3)
    axes.set(title="Push-T, kNN", xlabel=f"{scores.metric.iloc[0]}, mean and 95 % interval")
    figure.savefig("encoders.png", dpi=150)
