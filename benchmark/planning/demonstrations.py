"""The demonstrations of a cell, and those of another environment that its encoder may be pretrained on."""

from __future__ import annotations

from dataclasses import dataclass

from benchmark import registry
from benchmark.core.names import component_of
from benchmark.core.typed import to_json
from benchmark.planning.config.schema import Config
from benchmark.planning.graph import Stage, make_stage
from benchmark.stages.params import demos


def demos_stage(env: str, config: Config) -> Stage:
    """The demonstrations of an environment: also what `data make` builds."""
    params = demos.Params(env, to_json(config.env[env]), config.shift.train)
    return make_stage("demos", f"demonstrations · {env}", params, {}, registry.envs().get(env))


@dataclass(frozen=True)
class Elsewhere:
    """Demonstrations of another environment that an encoder is pretrained on."""

    demos: Stage
    views: int
    resolution: int
    absent: str | None  # why there is nothing to look at

    @classmethod
    def of(cls, env: str, config: Config) -> Elsewhere:
        environment, settings = registry.envs().get(env), config.env[env]
        views = len(environment.spec(settings).views)
        absent = None if views else environment.unavailable_reason(settings)
        return cls(demos_stage(env, config), views, settings.resolution, absent)

    def refused(self, name: str, env: str, side: int, needed: int) -> str | None:
        """Why an encoder for the frames of an environment, whose method needs so many views, cannot come from there."""
        if self.absent:
            return f"on={name}: {self.absent}"
        if self.views < needed:
            return f"needs {needed} views, on={name} has {self.views}"
        if self.resolution != side:
            fix = f"env.{component_of(name)}.resolution={side} or env.{component_of(env)}.resolution={self.resolution}"
            return f"on={name}: its frames have {self.resolution} pixels, and {side} are needed. Fix it with: {fix}"
        return None
