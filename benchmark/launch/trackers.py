"""Learning curves while they grow, in TensorBoard, Weights & Biases or Trackio: `tracker=tensorboard`.

It sees what the curves of the artifact will hold and changes nothing: it is on no key, and one that fails is switched off while
the training goes on. An interrupted training goes on in the same run of the tracker.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from benchmark.core.errors import BenchmarkError
from benchmark.core.progress import Reporter, Task
from benchmark.core.typed import to_json
from benchmark.planning.graph import Stage

PROJECT = "encoder-benchmark"
FOLDER = "tracking"  # of the store


class Tracker(Protocol):
    def log(self, step: int, values: Mapping[str, float]) -> None: ...
    def close(self) -> None: ...


class TensorBoard:
    """`tensorboard --logdir runs/tracking`"""

    def __init__(self, stage: Stage, root: Path):
        from torch.utils.tensorboard import SummaryWriter

        name = f"{stage.label.replace(' · ', '/').replace(':', '_')}/{stage.key[:10]}"
        self._writer = SummaryWriter(str(root / FOLDER / name))
        self._writer.add_text("params", str(to_json(stage.params)))

    def log(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


class _Service:
    """wandb, and trackio, which is called in the same way."""

    def __init__(self, module: str, stage: Stage, **settings: Any):
        self._module = importlib.import_module(module)
        facts = {"params": to_json(stage.params), "key": stage.key, "kind": stage.kind}
        self._module.init(project=PROJECT, name=f"{stage.label} · {stage.key[:10]}", config=facts, resume="allow", **settings)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._module.log(dict(values), step=step)

    def close(self) -> None:
        self._module.finish()


def _wandb(stage: Stage, root: Path) -> Tracker:
    (root / FOLDER).mkdir(parents=True, exist_ok=True)
    return _Service("wandb", stage, id=stage.key, dir=str(root / FOLDER))


def _trackio(stage: Stage, root: Path) -> Tracker:
    return _Service("trackio", stage)


OPENERS: dict[str, Callable[[Stage, Path], Tracker]] = {"tensorboard": TensorBoard, "wandb": _wandb, "trackio": _trackio}


def require_tracker(name: str) -> None:
    """Before any work: the package has to be here."""
    if name != "none" and importlib.util.find_spec(name) is None:
        raise BenchmarkError(f"tracker={name}: not installed. Fix it with: python -m pip install {name}")


@contextmanager
def tracked(task: Task, name: str, stage: Stage, root: Path, reporter: Reporter) -> Iterator[Task]:
    """The task, which also tells the tracker of a training; of other stages there is nothing to tell."""
    made = TrackedTask(task, lambda: OPENERS[name](stage, root), reporter) if name != "none" else task
    try:
        yield made
    finally:
        if isinstance(made, TrackedTask):
            made.close()


class TrackedTask(Task):
    """Opens the tracker at the first point, so that stages without a curve leave no empty run."""

    def __init__(self, task: Task, build: Callable[[], Tracker], reporter: Reporter):
        self._task, self._build, self._reporter = task, build, reporter
        self._tracker: Tracker | None = None
        self._failed = False

    def update(self, done: float, total: float, note: str = "") -> None:
        self._task.update(done, total, note)

    def resume(self, seconds: float) -> None:
        self._task.resume(seconds)

    def log(self, point: Mapping[str, float]) -> None:
        values = {name: value for name, value in point.items() if name != "step"}
        self._try(lambda: self._opened().log(int(point["step"]), values))

    def close(self) -> None:
        if (tracker := self._tracker) is not None:
            self._try(tracker.close)

    def _opened(self) -> Tracker:
        if self._tracker is None:
            self._tracker = self._build()
        return self._tracker

    def _try(self, call: Callable[[], None]) -> None:
        if self._failed:
            return
        try:
            call()
        except Exception as error:
            self._failed = True
            self._reporter.warn(f"the tracker is switched off, the training goes on: {type(error).__name__}: {error}")
