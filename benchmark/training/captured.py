"""A training step as one CUDA graph: hundreds of kernels that the host launches with a single call.

At 96 pixels a step is bound by launches: the host needs ten times as long to name the kernels as the device to run them. What
is captured is forward, backward, clipping and the optimiser. Batches are copied into buffers of the graph, learning rates are
tensors, and moving averages stay outside, where they cost a handful of launches and may be any Python that writes in place. A
number or a branch in `loss` that is Python, not a tensor, stays what it was in the step that was captured.

Random numbers are those of a step without a graph. A replay reads seed and offset of every registered generator from the
device, where PyTorch writes the generator's current ones just before ("CUDA Graph-safe RNG states" in
ATen/cuda/CUDAGeneratorImpl.h), and seeding a generator sets its offset to zero: so seeding between replays decides what the
next one draws.
"""

from __future__ import annotations

import logging
import warnings
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor

from benchmark.training.accelerator import EagerStep

WARM_UP = 3  # real steps before the capture: state of the optimiser, workspaces of libraries, choice of kernels
log = logging.getLogger(__name__)


class CapturedStep:
    """Runs the first steps one operation at a time, then captures one and replays it from there on.

    Where capturing is impossible the steps stay as they are, and the log says why, once. A step that waits for the device (a
    branch on a tensor, `.item()`, indexing with a mask) cannot be captured; the last step of the warm-up finds that out,
    because an attempt that fails half-way leaves PyTorch's generators in a state that has to be repaired.
    """

    def __init__(self, eager: EagerStep):
        self.eager = eager
        self.reason: str | None = None  # why there will be no graph
        self._graph: torch.cuda.CUDAGraph | None = None
        self._stream = torch.cuda.Stream()
        self._warm = 0

    @property
    def captured(self) -> bool:
        return self._graph is not None

    def __call__(self, batch: Any, seed: int) -> dict[str, Tensor]:
        if self.reason is None and self._graph is None:
            if self._warm < WARM_UP:
                self._warm += 1
                return self._warm_up(batch, seed)
            self._capture(batch)
        if self._graph is None or layout(batch) != layout(self._batch):
            return self.eager(batch, seed)
        copy_into(self._batch, batch)
        self.eager.rng.manual_seed(seed)
        self._graph.replay()
        return self._values

    def _warm_up(self, batch: Any, seed: int) -> dict[str, Tensor]:
        """A step on the stream of the capture to come: nodes of autograd and workspaces belong to a stream."""
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            values = self._watched(batch, seed) if self._warm == WARM_UP else self.eager(batch, seed)
        torch.cuda.current_stream().wait_stream(self._stream)
        return values

    def _watched(self, batch: Any, seed: int) -> dict[str, Tensor]:
        """A step in which PyTorch reports whatever waits for the device."""
        mode = torch.cuda.get_sync_debug_mode()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            try:
                values = self.eager(batch, seed)
            finally:
                torch.cuda.set_sync_debug_mode(mode)
        for warning in caught:
            if "synchronizing CUDA operation" in str(warning.message):
                self._give_up(f"it waits for the device in {warning.filename}, line {warning.lineno}")
                break
        return values

    def _capture(self, batch: Any) -> None:
        """Record a step. Nothing runs meanwhile: weights and buffers are as before, whether it succeeds or not."""
        eager, outside = self.eager, torch.cuda.current_stream()
        eager.optimizer.zero_grad(set_to_none=True)
        for group in eager.optimizer.param_groups:
            if group.get("fused") and "capturable" in group:  # Adam's check; its fused kernel is the same either way
                group["capturable"] = True
        graph = torch.cuda.CUDAGraph()
        try:
            graph.register_generator_state(eager.rng)
            self._batch = buffers(batch)
            with torch.cuda.graph(graph, stream=self._stream):
                self._values = eager.compute(self._batch)
        except Exception as error:
            torch.cuda.set_stream(outside)
            eager.optimizer.zero_grad(set_to_none=True)
            _repair_generators(eager)
            self._give_up(f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}")
        else:
            self._graph = graph

    def _give_up(self, reason: str) -> None:
        self.reason = reason
        log.warning("training runs without a CUDA graph: %s", reason)


def _repair_generators(eager: EagerStep) -> None:
    """After a failed capture generators believe that it still goes on and refuse to draw. Replace them: the global
    one seeded as it was, that of the steps to be seeded by the next."""
    default = torch.cuda.default_generators[torch.cuda.current_device()]
    fresh = torch.Generator(eager.device).manual_seed(default.initial_seed())
    default.graphsafe_set_state(fresh.graphsafe_get_state())
    eager.rng = torch.Generator(eager.device)


def layout(batch: Any) -> tuple[Any, ...]:
    """What two batches must have in common to be fed to one graph: which tensors there are, their shapes and types."""
    values = [getattr(batch, field.name) for field in fields(batch)]
    return tuple((value.shape, value.dtype) if isinstance(value, Tensor) else value for value in values)


def buffers(batch: Any) -> Any:
    """A copy whose tensors keep their places, in the same memory layout."""
    return replace(batch, **{name: torch.empty_like(value).copy_(value) for name, value in _tensors(batch).items()})


def copy_into(static: Any, batch: Any) -> None:
    for name, value in _tensors(batch).items():
        getattr(static, name).copy_(value, non_blocking=True)


def _tensors(batch: Any) -> dict[str, Tensor]:
    values = {field.name: getattr(batch, field.name) for field in fields(batch)}
    return {name: value for name, value in values.items() if isinstance(value, Tensor)}
