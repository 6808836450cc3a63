"""Data sets of the Hugging Face Hub by their id, `hf:lerobot/pusht`: fetched once into the Hub's own cache, then a folder."""

from __future__ import annotations

from pathlib import Path

from benchmark.core.errors import BenchmarkError

PREFIX = "hf:"


def local(source: str) -> Path:
    """Where a source lies on this machine. What is in the cache needs no network."""
    if not source.startswith(PREFIX):
        return Path(source)
    from huggingface_hub import snapshot_download

    name, _, revision = source.removeprefix(PREFIX).partition("@")
    try:
        return Path(snapshot_download(name, repo_type="dataset", revision=revision or None))
    except Exception as error:  # of the network, of the Hub, of the disk
        reason = str(error).strip().split("\n")[0]
        raise BenchmarkError(
            f"{source} cannot be fetched: {reason}. Without a network, copy the folder here and give its path; "
            "for a private data set, log in first: hf auth login"
        ) from error
