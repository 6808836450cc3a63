"""What a policy made of actions before it is trained."""

from __future__ import annotations

from safetensors.torch import load_file

from benchmark.contracts.policy import Policy
from benchmark.stages.base import Artifact
from benchmark.stages.params.tokenize import TOKENIZER


def load_tokenizer(artifact: Artifact, policy: Policy) -> None:
    policy.tokenizer.load_state_dict(load_file(artifact.folder / TOKENIZER))
