"""What this machine is: device, precision, threads, and the provenance that manifests carry.

torch is imported where it is asked, not above: simulator processes count cores and have no use for its half gigabyte.
"""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmark.core.errors import BenchmarkError

PACKAGES = ("torch", "torchvision", "timm", "lightly", "numpy", "mujoco", "gymnasium", "gymnasium-robotics", "hydra-core")


def resolve_device(name: str) -> str:
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise BenchmarkError("machine.device=cuda, but torch finds no CUDA device here")
    return name


def resolve_precision(name: str, device: str) -> str:
    """bf16 pays where there are matrix units for it: any recent GPU, a CPU with AMX (2.5x to 4x on a DynaMo step)."""
    import torch

    if name != "auto":
        return name
    if device == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    return "bf16" if torch.cpu._is_amx_tile_supported() else "fp32"


def set_threads(threads: int | None) -> None:
    import torch

    torch.set_num_threads(threads or cores())


def cores() -> int:
    """Cores this process may use, which on a shared machine is fewer than there are."""
    return len(os.sched_getaffinity(0))


@cache
def provenance() -> dict[str, Any]:
    """Versions, commit and hardware, for manifests."""
    import torch

    return {
        "versions": {"python": platform.python_version(), **{name: v for name in PACKAGES if (v := _version(name))}},
        "git": _git(),
        "platform": platform.platform(),
        "processor": _processor(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git() -> dict[str, Any] | None:
    root = Path(__file__).parent.parent

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain", "--untracked-files=no"))}
    except (OSError, subprocess.CalledProcessError):
        return None


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    return f"{name}, {cores()} cores"
