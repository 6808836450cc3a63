# %% [markdown]
# Everything that is yours in one table, and the winner out again: a network of timm's, a checkpoint, a method, an environment
# of Gymnasium's, a data set in LeRobot's format (version 3). Each cell of this file is a cell of a notebook; no other file is
# edited. Run it with the folder of a data set, or an id of the hub:
#
#     python examples/bring_your_own.py my_lerobot_data
#
# `smoke` is for seeing that everything works, in about a minute; `preset="quick"` gives numbers.

# %%
import subprocess
import sys
from pathlib import Path

import numpy as np
import timm
from safetensors.torch import save_file
from torch import nn

import benchmark as bm
from benchmark.cli.main import main
from benchmark.contracts.environment import Expert
from benchmark.contracts.method import BatchSpec, Method
from benchmark.envs._shared.gymnasium_env import GymnasiumEnv
from benchmark.models.encoders import build_backbone

# %% [markdown]
# A network of timm's (1 line). `@random` is the same network untrained; without it, its published weights.

# %%
TIMM = "timm:test_resnet@random"

# %% [markdown]
# A checkpoint (4 lines). Here one is made; yours is there already, and needs the small file that names its network.


# %%
def save_checkpoint():
    save_file(timm.create_model("test_vit", num_classes=0).state_dict(), "my_encoder.safetensors")
    Path("my_encoder.json").write_text('{"architecture": "test_vit"}')
    return "file:my_encoder.safetensors"


# %% [markdown]
# A method (16 lines): the encoder learns to tell the action from the frame.


# %%
@bm.register_method
class Guess(Method):
    name = "guess"
    presets = {"smoke": {"width": 8, "batch_size": 8}, "quick": {"width": 16}}

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
        error = nn.functional.mse_loss(self.head(self.encoder(batch.frames[:, 0, 0])), batch.actions[:, 0])
        return error, {"error": error.detach()}


# %% [markdown]
# An environment of Gymnasium's with a demonstrator (18 lines): a cart keeps a pole upright.


# %%
@bm.register_env
class Pole(GymnasiumEnv):
    name = "pole"
    make = "InvertedPendulum-v5"
    max_steps = 60
    cameras = {"side": {"distance": 3, "azimuth": 90, "elevation": 0}}
    meaning = {"representation": "velocity", "of": "joints", "units": "newtons", "gripper": "none"}
    metric, metric_range = "upright", (0.0, 1.0)  # the share of steps
    presets = {"smoke": {"resolution": 32, "episodes": 4}, "quick": {"resolution": 64, "episodes": 64}}

    def score(self):
        return {"upright": self.total / self.max_steps}

    def expert(self, seed):
        return Balance(self)


class Balance(Expert):
    def __init__(self, env):
        self.env = env

    def act(self):
        return np.clip([self.env.observation @ [1, 30, 1.5, 5]], -3, 3).astype(np.float32)


# %% [markdown]
# A data set of LeRobot's (2 lines), an environment by its name from then on.


# %%
def import_data(source):
    assert main(["data", "import", source, "--name", "mine", "--quiet"]) == 0


# %% [markdown]
# One table (6 lines). As a script, simulators are processes that import this file: what runs stands under `__main__`.

# %%
if __name__ == "__main__":
    import_data(sys.argv[1])
    rows = ["random", TIMM, save_checkpoint(), "guess"]
    tables = bm.run(rows, ["pole", "recording:mine"], "knn", preset="smoke", quiet=True)
    main(["table", "main"])
    print(tables.scores[["row", "env", "estimate", "low", "high"]])

# %% [markdown]
# The winner leaves (6 lines): the lines that come back load it where there is no benchmark.

# %%
WITHOUT = """import sys; sys.modules["benchmark"] = None  # an import of it fails
import torch; frames = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)"""
if __name__ == "__main__":
    winner = tables.scores[tables.scores.env == "pole"].sort_values("estimate").row.iloc[-1]
    lines = [WITHOUT, *bm.export_encoder(winner, "winner", env="pole"), "print(features.shape)"]
    subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True)
