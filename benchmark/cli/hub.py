"""Share encoders, policies and results on the Hugging Face hub: push what was exported, pull what others pushed."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from benchmark.cli import flags
from benchmark.cli.parser import Action, add_actions
from benchmark.core.errors import BenchmarkError

T = TypeVar("T")


def arguments(parser: argparse.ArgumentParser) -> None:
    add_actions(parser, ACTIONS)


def run(options: argparse.Namespace) -> int:
    return ACTIONS[options.action].run(options)


def push(options: argparse.Namespace) -> int:
    """Upload a folder of `results export-encoder`, `export-policy` or `export`, with a README made of what it holds."""
    from huggingface_hub import HfApi

    from benchmark.report.cards import kind_of, readme
    from benchmark.storage.files import write_text

    folder, repository, kind = options.folder, options.repository, kind_of(options.folder)
    write_text(folder / "README.md", readme(folder, repository))
    if options.dry_run:
        print(f"{kind} {repository}: {', '.join(sorted(p.relative_to(folder).as_posix() for p in folder.rglob('*.*')))}")
        return 0
    api = HfApi()

    def upload() -> str:
        api.create_repo(repository, repo_type=kind, private=options.private, exist_ok=True)
        return str(
            api.upload_folder(repo_id=repository, folder_path=folder, repo_type=kind, commit_message="encoder-benchmark")
        )

    print(_told(f"{repository} was not pushed", upload))
    return 0


def pull(options: argparse.Namespace) -> int:
    """Download a pushed encoder, policy or folder of results, and compare every file with its checksum."""
    from huggingface_hub import snapshot_download

    from benchmark.report.cards import kind_of
    from benchmark.results.encoders import read_card
    from benchmark.results.export import verify

    kind = "dataset" if options.dataset else "model"
    _told(
        f"{options.repository} was not pulled",
        lambda: snapshot_download(options.repository, repo_type=kind, local_dir=options.folder),
    )
    if kind_of(options.folder) == "model":
        read_card(options.folder)
    else:
        verify(options.folder)
    print(options.folder)
    return 0


def _told(what: str, call: Callable[[], T]) -> T:
    """A failure of the hub in one line: its own messages are pages."""
    from benchmark.models.downloads import why

    try:
        return call()
    except Exception as error:  # the errors of its transport have no base of ours: without a network they are httpx's
        raise BenchmarkError(f"{what}: {why(error)}. `hf auth login` or HF_TOKEN says who you are") from error


def _push(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="what was exported")
    parser.add_argument("repository", metavar="ORG/NAME", help="made if it is not there")
    parser.add_argument("--private", action="store_true", help="nobody else sees it")
    parser.add_argument("--dry-run", action="store_true", help="write the README and say what would be uploaded")
    flags.add_home(parser)


def _pull(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("repository", metavar="ORG/NAME")
    parser.add_argument("folder", type=Path, help="where to put it")
    parser.add_argument("--dataset", action="store_true", help="it holds results")
    flags.add_home(parser)


ACTIONS = {"push": Action(_push, push), "pull": Action(_pull, pull)}
