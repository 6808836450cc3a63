"""The list of faults, one file per subject: its name begins each of them."""

from __future__ import annotations

import importlib
import pkgutil

from faults.fault import Fault

__all__ = ["FAULTS", "Fault"]

_SUBJECTS = sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name != "fault")
FAULTS: tuple[Fault, ...] = tuple(
    fault for subject in _SUBJECTS for fault in importlib.import_module(f"faults.{subject}").FAULTS
)
