"""A data set of somebody else, read by a process of its own that is held to a budget of memory and time."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmark.contracts.data import Episode
from benchmark.core.errors import BenchmarkError, Unavailable
from benchmark.core.text import printable_json, printable_lines
from benchmark.datasets.budget import MB, PATIENCE, Limits
from benchmark.datasets.source import Actions, Description
from benchmark.datasets.wire import pack, read_episode, unpack

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-P", "-m", "benchmark.datasets.child")
# One thread each, and the allocator of the system: others take address space that the limit counts before they need it
SPARING = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}
VIEW = re.compile(r"\w[\w .+-]{0,99}")  # letters of any script, and what stands between words
PIECE = 4 * MB  # read at once


class Reader:
    """An opened data set: what it says of itself, and its episodes. Close it, or use it in `with`."""

    def __init__(
        self, path: Path, format_name: str = "auto", limits: Limits | None = None, command: Sequence[str] = COMMAND
    ) -> None:
        limits = limits or Limits()
        self.path, self._seconds, self._read = path, limits.seconds or PATIENCE, 0
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **SPARING, "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])},
            start_new_session=True,  # what interrupts the program is not for it, and it is killed with all that it started
            bufsize=0,
        )
        try:
            self._send({"path": str(path), "format": format_name, "limits": asdict(limits)})
            opened = self._receive("opened")
            self.path, self.format = Path(opened["path"]), str(opened["format"])
            self.files = [Path(file) for file in opened["files"]]
            self.description = _description(opened["description"], path)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def episodes(self, start: int, side: int | None) -> Iterator[Episode]:
        """Episodes from number `start` on, once; frames stretched to `side` x `side`, or as they are."""
        self._send({"start": start, "side": side})
        while (message := self._receive("episode", "end"))["kind"] == "episode":
            episode = read_episode(message, self._take)
            self._read += 1
            episode.info = printable_json(episode.info)
            yield episode

    def close(self) -> None:
        """Kill it and what it has started."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # why it ended is told when its answer is awaited
            self._process.stdin.write(pack(message))

    def _receive(self, *kinds: str) -> dict[str, Any]:
        while (message := self._message())["kind"] == "sign":
            pass
        if message["kind"] == "error":
            raise (Unavailable if message["unavailable"] else BenchmarkError)(printable_lines(message["text"]))
        if message["kind"] not in kinds:
            raise self._ended("said something else than was asked")
        return message

    def _message(self) -> dict[str, Any]:
        try:
            message = unpack(self._take)
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise self._ended("said something that cannot be understood") from error
        return message

    def _take(self, count: int) -> bytearray:
        """So many bytes of what it says, each piece in time."""
        assert self._process.stdout is not None
        pipe, data = self._process.stdout.fileno(), bytearray()
        while len(data) < count:
            if not select.select([pipe], [], [], self._seconds)[0]:
                raise self._ended(f"gave no sign of progress for {self._seconds:g} seconds (--time-limit S waits longer)")
            piece = os.read(pipe, min(count - len(data), PIECE))
            if not piece:
                raise self._ended(self._cause())
            data += piece
        return data

    def _cause(self) -> str:
        code = self._process.wait()
        how = f"was stopped by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        return f"{how}: it is damaged, or needs more memory than it may take (--memory-limit GB allows more)"

    def _ended(self, how: str) -> BenchmarkError:
        return BenchmarkError(f"{self.path}: the process that reads it, {self._read} episodes so far, {how}")


def _description(said: dict[str, Any], path: Path) -> Description:
    said = printable_json(said)
    for view in said["views"]:
        if not VIEW.fullmatch(view):
            raise BenchmarkError(f"{path} has a view named {view[:80]!r}, which cannot name a folder of an export: refused")
    actions = Actions(**{**said["actions"], "names": tuple(said["actions"].get("names", ()))})
    notes = tuple(said["notes"])
    return Description(**{**said, "views": tuple(said["views"]), "notes": notes, "actions": actions})
