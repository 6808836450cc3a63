"""Say what this machine can run, and what is missing with the command that fixes it."""

from __future__ import annotations

import argparse

from benchmark.cli import flags


def arguments(parser: argparse.ArgumentParser) -> None:
    flags.add_home(parser)


def run(options: argparse.Namespace) -> int:
    import torch

    from benchmark.cli import components
    from benchmark.core.machine import resolve_device, resolve_precision
    from benchmark.core.progress import size
    from benchmark.core.provenance import provenance
    from benchmark.storage.files import free_disk

    facts = provenance()
    device = resolve_device("auto")
    print(f"processor  {facts['processor']}")
    precision, threads = resolve_precision("auto", device), torch.get_num_threads()
    print(f"device     {device} ({facts['gpu'] or 'no GPU'}), {precision}, {threads} threads")
    print("versions   " + ", ".join(f"{k} {v}" for k, v in facts["versions"].items()))
    print(f"store      {options.home} ({size(free_disk(options.home))} free)")
    for row in [*components.envs(), *components.methods(), *components.policies()]:
        print(f"{'missing' if row['missing'] else 'ok':<10} {row['name']}" + (f": {row['missing']}" if row["missing"] else ""))
    return 0
