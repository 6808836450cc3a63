"""Which visual encoder is best for robot control, and by how much?

From Python: `import benchmark as bm`, then `bm.run(...)`, `bm.plan(...)`, `bm.results(...)`, `bm.load_encoder(row)`,
`bm.export_encoder(row, folder)`, `bm.load_policy(folder)`; `bm.register_method(cls)`, `bm.register_policy(cls)` and
`bm.register_env(cls)` make names of classes. See docs/python.md. They are imported when they are used.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

# OpenMP threads that wait for each other spin for about a millisecond before they sleep. Where anything else runs on the same
# cores, a training step of a small network then takes ten times as long (300 ms for 20 on two shared cores, 66 with this; on
# quiet ones 21 for 20). Has to be set before torch is imported; it changes no result.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

__version__ = "0.1.0"
__all__ = [
    "export_encoder",
    "load_encoder",
    "load_policy",
    "plan",
    "register_env",
    "register_method",
    "register_policy",
    "results",
    "run",
]

if TYPE_CHECKING:
    from benchmark.api import (
        export_encoder,
        load_encoder,
        load_policy,
        plan,
        register_env,
        register_method,
        register_policy,
        results,
        run,
    )


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'benchmark' has no attribute '{name}'")
    from benchmark import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
