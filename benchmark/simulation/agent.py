"""The controller that drives rollouts with an encoder and an agent.

What a policy sees in a rollout must be what it saw in training: the same `encode`, the same padding before the first
observation, and nothing left over from the episode that ran in the slot before (the DynaMo release averages the first actions
of each Push-T episode with the last plans of the previous one).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from benchmark.contracts.data import Observations
from benchmark.contracts.encoder import Encoder
from benchmark.models.agent import Agent
from benchmark.models.features import encode
from benchmark.simulation.protocol import Slots

Given = Callable[[int], Tensor]  # the seed of an episode -> its goal (G,), or its language (L,), as in training


class AgentController:
    """Implements `benchmark.simulation.protocol.Controller` for an encoder and an agent.

    Every call of the encoder and the policy is on all slots, whatever they are doing, so that the actions of an episode cannot
    depend on its neighbours; rows that are not concerned are computed, ignored, and draw from a generator nobody else uses.
    """

    def __init__(
        self,
        encoder: Encoder,
        agent: Agent,
        slots: int,
        kind: str = "pooled",
        precision: str = "fp32",
        goals: Given | None = None,
        language: Given | None = None,
        told: Given | None = None,
    ):
        """`goals` gives a goal-conditioned policy the goal of an episode, `language` one that takes it what was asked for, and
        `told` an encoder that takes goals what it made of it (V or 1, ...)."""
        self.encoder, self.agent, self.kind, self.precision = encoder.eval(), agent.eval(), kind, precision
        self.config, spec = agent.policy.config, agent.policy.spec
        self.device = agent.actions.scale.device
        self._offsets = self.config.stride * np.arange(self.config.history - 1, -1, -1)
        # Plans are made at multiples of `execute` and look back at multiples of `stride`.
        phases = np.arange(self.config.execute)
        self._looked_at = ((phases[:, None] + self._offsets) % self.config.execute == 0).any(1)
        # What a plan can still look back at, and the plans whose actions can still be taken: rings over time.
        past = slots, self._offsets[0] + 1
        self._history = torch.zeros(*past, len(agent.features.scale), device=self.device)
        self._proprio = None
        if agent.proprio is not None:
            self._proprio = torch.zeros(*past, len(agent.proprio.scale), device=self.device)
        kept = self.config.chunk if self.config.ensemble else 1
        self._plans = np.zeros((slots, kept, self.config.chunk, spec.action_dim), np.float32)
        for what, of_seed, dim in (("goal", goals, spec.goal_dim), ("language", language, spec.language_dim)):
            if (of_seed is not None) != bool(dim):
                raise ValueError(
                    f"a policy of {dim} {what} dimensions needs the {what} of each episode exactly if there are any"
                )
        self._goals, self._language, self._told = (_PerEpisode(f, slots, self.device) for f in (goals, language, told))
        self._rngs = [torch.Generator() for _ in range(slots)]
        self._unused = torch.Generator()
        self._rows = np.arange(slots)
        self._watch = _Watch(self.device)

    def needs_frame(self, time: int) -> bool:
        return self.encoder.reads == "frames" and bool(self._looked_at[time % self.config.execute])

    def begin(self, slot: int, seed: int) -> None:
        self._rngs[slot].manual_seed(seed)
        self._history[slot], self._plans[slot] = torch.nan, np.nan  # a leak from the last episode would not go unnoticed
        if self._proprio is not None:
            self._proprio[slot] = torch.nan
        self._goals.begin(slot, seed)
        self._language.begin(slot, seed)
        self._told.begin(slot, seed)

    def act(self, slots: Slots) -> np.ndarray:
        self._observe(slots, slots.active & self._looked_at[slots.time % self.config.execute])
        self._plan(slots, slots.active & (slots.time % self.config.execute == 0))
        return np.where(slots.active[:, None], self._actions(slots.time), np.float32(0))

    def latency(self) -> float:
        """Mean milliseconds of a call of the policy on all slots."""
        return self._watch.mean_ms()

    def _observe(self, slots: Slots, rows: np.ndarray) -> None:
        """Put the features of this moment, and the proprioception, into the history of the given rows."""
        if not rows.any():
            return
        reads_state = self.encoder.reads == "state"
        if not reads_state and not slots.rendered[rows].all():
            raise RuntimeError("a frame that the controller asked for was not rendered")
        observations = Observations(
            state=self._on_device(slots.state) if reads_state else None,
            frames=None if reads_state or slots.frames is None else self._on_device(slots.frames),
            told=self._told.values,
            valid=self._on_device(rows),
        )
        features = encode(self.encoder, observations, self.kind, self.precision)
        at = torch.from_numpy(slots.time % self._history.shape[1])[rows]
        self._history[self._rows[rows], at] = features[rows]
        if self._proprio is not None:
            self._proprio[self._rows[rows], at] = self._on_device(slots.proprio)[rows]

    def _on_device(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(self.device)

    def _plan(self, slots: Slots, rows: np.ndarray) -> None:
        """New chunks for the given rows, from observations at t, t - stride, ...; before the first one, the first one."""
        if not rows.any():
            return
        past = self._rows[:, None], np.maximum(slots.time[:, None] - self._offsets, 0) % self._history.shape[1]
        proprio = None if self._proprio is None else self._proprio[past]
        given = Observations(proprio=proprio, goal=self._goals.values, language=self._language.values)
        seen = self._history[past]
        rngs = [rng if row else self._unused for rng, row in zip(self._rngs, rows, strict=True)]
        with self._watch.measure():
            planned = self.agent.act(seen, given, rngs).float()
            lost = ~seen.isfinite().flatten(1).all(1)  # a head that answers with its likeliest class would hide it
            chunks = planned.masked_fill(lost[:, None, None], torch.nan).cpu().numpy()
        self._plans[self._rows[rows], slots.time[rows] % self._plans.shape[1]] = chunks[rows]

    def _actions(self, time: np.ndarray) -> np.ndarray:
        """What the current plan has for now, or the mean of what all plans have for now (uniform, as in the release)."""
        if not self.config.ensemble:
            return self._plans[self._rows, 0, time % self.config.execute]
        age = np.arange(self.config.chunk)
        planned = self._plans[self._rows[:, None], (time[:, None] - age) % self.config.chunk, age]
        return planned.mean(1, where=(age <= time[:, None])[..., None])


class _PerEpisode:
    """What is told once per episode, one row per slot."""

    def __init__(self, of_seed: Given | None, slots: int, device: torch.device):
        self._of_seed, self._slots, self._device = of_seed, slots, device
        self.values: Tensor | None = None  # until the first episode says how large a row is

    def begin(self, slot: int, seed: int) -> None:
        if self._of_seed is None:
            return
        row = self._of_seed(seed)
        if self.values is None:
            self.values = torch.full((self._slots, *row.shape), torch.nan, device=self._device)
        self.values[slot] = row


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
