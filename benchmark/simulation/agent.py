"""A policy with its normalisers, and the controller that drives rollouts with an encoder and an agent.

What a policy sees in a rollout must be what it saw in training: the same `encode`, the same padding before the first
observation, and nothing left over from the episode that ran in the slot before (the DynaMo release averages the first actions
of each Push-T episode with the last plans of the previous one).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.contracts.encoder import Encoder
from benchmark.contracts.policy import Policy
from benchmark.data.normalize import Normalizer
from benchmark.simulation.protocol import Slots

Goals = Callable[[int], Tensor]  # the seed of an episode -> its goal (G,), as in training


@torch.no_grad()
def encode(encoder: Encoder, observations: Tensor, kind: str = "pooled") -> Tensor:
    """Features of raw observations as rollouts see them: in evaluation mode, without gradients."""
    return features_of(encoder.eval(), observations, kind)


def features_of(encoder: Encoder, observations: Tensor, kind: str = "pooled") -> Tensor:
    """Features of raw observations on the encoder's device: the only way, for training and for rollouts.

    (N, V, H, W, 3) uint8 -> (N, V * dim), views side by side; patch features are flattened too. An encoder that reads the state
    takes (N, S).
    """
    if encoder.reads == "state":
        return encoder.pooled(observations)
    n, views = observations.shape[:2]
    images = observations.flatten(0, 1).permute(0, 3, 1, 2)  # channels last in memory, without a copy
    features = encoder.pooled(images) if kind == "pooled" else encoder.patch(images)
    return features.reshape(n, views * features[0].numel())


class Agent(nn.Module):
    """Raw features -> actions in the environment's units. Its state dict is all that a finished fit has to store.

    `encoder` is the agent's own copy where it was trained together with the policy; a frozen one stays with its pretraining.
    """

    def __init__(self, policy: Policy, encoder: Encoder | None = None):
        super().__init__()
        self.policy, self.encoder = policy, encoder
        self.features = Normalizer(policy.spec.feature_dim)
        self.actions = Normalizer(policy.spec.action_dim)

    def fit_normalizers(
        self, features: Tensor | np.ndarray, actions: Tensor | np.ndarray, mode: str = "minmax", exclude: Sequence[int] = ()
    ) -> None:
        """Statistics of the training rows. `mode` and `exclude` are about the actions; features are always standardised."""
        self.features.fit(features)
        self.actions.fit(actions, mode, exclude)

    @torch.no_grad()
    def act(self, features: Tensor, goal: Tensor | None, rngs: Sequence[torch.Generator]) -> Tensor:
        """(N, history, D) raw features and (N, G) goals as in training -> (N, chunk, A) actions."""
        return self.actions.inverse(self.policy.act(self.features(features), goal, rngs))


class AgentController:
    """Implements `benchmark.simulation.protocol.Controller` for an encoder and an agent.

    Every call of the encoder and the policy is on all slots, whatever they are doing, so that the actions of an episode cannot
    depend on its neighbours; rows that are not concerned are computed, ignored, and draw from a generator nobody else uses.
    """

    def __init__(self, encoder: Encoder, agent: Agent, slots: int, kind: str = "pooled", goals: Goals | None = None):
        """`goals` gives a goal-conditioned policy the goal (G,) of an episode by its seed, as in training."""
        self.encoder, self.agent, self.kind = encoder.eval(), agent.eval(), kind
        self.config, spec = agent.policy.config, agent.policy.spec
        self.device = agent.actions.scale.device
        self._offsets = self.config.stride * np.arange(self.config.history - 1, -1, -1)
        # Plans are made at multiples of `execute` and look back at multiples of `stride`.
        phases = np.arange(self.config.execute)
        self._looked_at = ((phases[:, None] + self._offsets) % self.config.execute == 0).any(1)
        # The features that a plan can still look back at, and the plans whose actions can still be taken: rings over time.
        self._history = torch.zeros(slots, self._offsets[0] + 1, spec.feature_dim, device=self.device)
        kept = self.config.chunk if self.config.ensemble else 1
        self._plans = np.zeros((slots, kept, self.config.chunk, spec.action_dim), np.float32)
        if (goals is not None) != bool(spec.goal_dim):
            raise ValueError("a goal-conditioned policy needs goals, and only such a policy does")
        self._goal_of = goals
        self._goals = None if goals is None else torch.full((slots, spec.goal_dim), torch.nan, device=self.device)
        self._rngs = [torch.Generator() for _ in range(slots)]
        self._unused = torch.Generator()
        self._rows = np.arange(slots)
        self._encoder_watch, self._policy_watch = _Watch(self.device), _Watch(self.device)

    def needs_frame(self, time: int) -> bool:
        return self.encoder.reads == "frames" and bool(self._looked_at[time % self.config.execute])

    def begin(self, slot: int, seed: int) -> None:
        self._rngs[slot].manual_seed(seed)
        self._history[slot], self._plans[slot] = torch.nan, np.nan  # a leak from the last episode would not go unnoticed
        if self._goals is not None and self._goal_of is not None:
            self._goals[slot] = self._goal_of(seed)

    def act(self, slots: Slots) -> np.ndarray:
        self._observe(slots, slots.active & self._looked_at[slots.time % self.config.execute])
        self._plan(slots, slots.active & (slots.time % self.config.execute == 0))
        return np.where(slots.active[:, None], self._actions(slots.time), np.float32(0))

    def latency(self) -> dict[str, float]:
        """Mean milliseconds of a call on all slots."""
        return {"encoder_call_ms": self._encoder_watch.mean_ms(), "policy_call_ms": self._policy_watch.mean_ms()}

    def _observe(self, slots: Slots, rows: np.ndarray) -> None:
        """Put the features of this moment into the history of the given rows."""
        if not rows.any():
            return
        observations = slots.state if self.encoder.reads == "state" else slots.frames
        if observations is None or (self.encoder.reads == "frames" and not slots.rendered[rows].all()):
            raise RuntimeError("a frame that the controller asked for was not rendered")
        with self._encoder_watch.measure():
            features = encode(self.encoder, torch.from_numpy(observations).to(self.device), self.kind).float()
        at = torch.from_numpy(slots.time % self._history.shape[1])[rows]
        self._history[self._rows[rows], at] = features[rows]

    def _plan(self, slots: Slots, rows: np.ndarray) -> None:
        """New chunks for the given rows, from observations at t, t - stride, ...; before the first one, the first one."""
        if not rows.any():
            return
        times = np.maximum(slots.time[:, None] - self._offsets, 0) % self._history.shape[1]
        history = self._history[self._rows[:, None], times]
        rngs = [rng if row else self._unused for rng, row in zip(self._rngs, rows, strict=True)]
        with self._policy_watch.measure():
            chunks = self.agent.act(history, self._goals, rngs).float().cpu().numpy()
        self._plans[self._rows[rows], slots.time[rows] % self._plans.shape[1]] = chunks[rows]

    def _actions(self, time: np.ndarray) -> np.ndarray:
        """What the current plan has for now, or the mean of what all plans have for now (uniform, as in the release)."""
        if not self.config.ensemble:
            return self._plans[self._rows, 0, time % self.config.execute]
        age = np.arange(self.config.chunk)
        planned = self._plans[self._rows[:, None], (time[:, None] - age) % self.config.chunk, age]
        return planned.mean(1, where=(age <= time[:, None])[..., None])


class _Watch:
    """Mean duration of calls. Nothing decides by it."""

    def __init__(self, device: torch.device):
        self.device, self.seconds, self.calls = device, 0.0, 0

    @contextmanager
    def measure(self) -> Iterator[None]:
        self._synchronize()
        start = time.perf_counter()
        yield
        self._synchronize()
        self.seconds, self.calls = self.seconds + time.perf_counter() - start, self.calls + 1

    def mean_ms(self) -> float:
        return 1000 * self.seconds / max(self.calls, 1)

    def _synchronize(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
