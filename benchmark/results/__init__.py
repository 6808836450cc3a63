"""Numbers of results. `benchmark.results(...)` is the function of benchmark.api all the same: this module can be called."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    """Once a module of this package is imported, `benchmark.results` is the package and no longer what `__getattr__` gives."""

    def __call__(self, *names: Any, **options: Any) -> Any:
        return sys.modules["benchmark"].__getattr__("results")(*names, **options)


sys.modules[__name__].__class__ = _Callable
