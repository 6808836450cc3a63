"""Several processes that train one network: the stage's own is the first, which starts the others and writes all files.

Each computes its equal part of every batch on a device of its own (core/collective.py), gradients are averaged after the
backward pass (with `machine.zero=2` during it: sharding.py), and all take the same step. accelerate and torch's
DistributedDataParallel are not used: they wrap the `forward` of one module and average over whatever batch each process was
given, while a method here has a `loss` that spans several networks, and its batch has to stay the one its configuration says.
What remains of them is one message per step, `collective.average_`. It is sent when all gradients are there, not meanwhile:
between the GPUs of one machine the 45 MB of a ResNet-18 are a millisecond or so.
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing.connection import wait
from pathlib import Path

import torch
from torch import distributed

from benchmark.core.errors import BenchmarkError, Lost, lack_of_memory
from benchmark.core.signals import deaf_children, follow_parent

CONTEXT = multiprocessing.get_context("spawn")  # not fork: torch has threads, and CUDA does not survive one
PATIENCE = timedelta(minutes=10)  # until a silent process is given up: the first writes checkpoints meanwhile
GRACE = 10.0  # seconds in which the others end
NO_MEMORY = 75  # how a process ends whose memory was too small; any number that Python does not use
LAST_WORDS = 15.0  # seconds in which one that has failed ends, on busy cores: its connections close before it does


@contextmanager
def together(count: int, device: str, help_out: Callable[[], None]) -> Iterator[None]:
    """Within the block this process is the first of `count`. The others run `help_out`, which is pickled and has to make the
    same calls of `collective` in the same order. `device` is what all compute on: cpu, or cuda with a GPU for each."""
    if count == 1:
        yield
        return
    if device == "cuda" and count > torch.cuda.device_count():
        raise BenchmarkError(f"machine.processes={count}, but this stage has {torch.cuda.device_count()} GPU")
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        meeting = Path(folder) / "meeting"
        settings = count, device, torch.get_num_threads(), help_out
        others = [CONTEXT.Process(target=_other, args=(meeting, number, *settings)) for number in range(1, count)]
        with deaf_children():
            for other in others:
                other.start()
        try:
            _join(meeting, 0, count, device)
            yield
            for other in others:
                other.join(GRACE)
        except Exception as error:
            if isinstance(error, BenchmarkError) or lack_of_memory(error):
                raise
            ending = wait([other.sentinel for other in others], LAST_WORDS)  # closed a little before there is an exit code
            for other in others:
                other.join(GRACE if other.sentinel in ending else 0)
            failed = [other.exitcode for other in others if other.exitcode]
            if NO_MEMORY in failed:
                cls = torch.OutOfMemoryError if device == "cuda" else MemoryError
                raise cls("in another process of this training; its log is above") from error
            if failed and failed[0] < 0:
                raise Lost(f"another process of this training was killed by {signal.Signals(-failed[0]).name}") from error
            if failed:
                raise RuntimeError(f"another process of this training ended with code {failed[0]}; its log is above") from error
            raise
        finally:
            for other in others:
                other.kill()
                other.join()
            if distributed.is_initialized():
                distributed.destroy_process_group()


def _other(meeting: Path, number: int, count: int, device: str, threads: int, help_out: Callable[[], None]) -> None:
    threading.Thread(target=follow_parent, daemon=True).start()
    torch.set_num_threads(threads)
    _join(meeting, number, count, device)
    try:
        help_out()
    except Exception as error:
        if lack_of_memory(error) is None:
            raise
        traceback.print_exc()
        sys.exit(NO_MEMORY)
    distributed.destroy_process_group()


def _join(meeting: Path, number: int, count: int, device: str) -> None:
    if device == "cuda":
        torch.cuda.set_device(number)
    backend, address = "nccl" if device == "cuda" else "gloo", f"file://{meeting}"
    distributed.init_process_group(backend, init_method=address, rank=number, world_size=count, timeout=PATIENCE)
