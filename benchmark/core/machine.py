"""What this machine is: its device, the precision that pays on it, its cores.

torch is imported where it is asked, not above: simulator processes count cores and have no use for its half gigabyte.
"""

from __future__ import annotations

import os

from benchmark.core.errors import BenchmarkError


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


def resolve_policy_precision(name: str, device: str) -> str:
    """Of policies. tf32 halves a step of VQ-BeT at the paper's size on an H200; a head in bf16 gains nothing on a processor."""
    if name == "tf32" and device != "cuda":
        raise BenchmarkError(f"fit.precision=tf32 is of CUDA devices, and this fit runs on {device}: set fit.precision=fp32")
    if name != "auto":
        return name
    return "tf32" if device == "cuda" else "fp32"


def set_threads(threads: int | None) -> None:
    import torch

    torch.set_num_threads(threads or cores())


def arithmetic(device: str) -> str:
    """What decides how sums are rounded on a device: `NVIDIA H100`, `AVX512, 2 threads`. It is on no key: machines share
    stores, and what they compute is alike, not equal."""
    import torch

    if device == "cuda":
        return torch.cuda.get_device_name()
    return f"{torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} threads"


def cores() -> int:
    """Cores this process may use, which on a shared machine is fewer than there are. macOS does not tell."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
