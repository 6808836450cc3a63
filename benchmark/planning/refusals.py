"""Why there is no cell of a row and a policy in an environment, whatever the machine: it is a dash in the table, not a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from benchmark.contracts.environment import Environment, Simulator, data_spec
from benchmark.contracts.method import Method
from benchmark.contracts.policy import Policy
from benchmark.contracts.specs import EnvSpec, all_with_depth
from benchmark.core.names import component_of
from benchmark.core.seeds import seed
from benchmark.data.episodes import NOTHING_LEFT, held_out_of, split
from benchmark.models.features import why_no_features
from benchmark.planning.config.schema import Config, ShiftConfig
from benchmark.planning.demonstrations import Elsewhere


@dataclass(frozen=True, eq=False)
class Row:
    """What all cells of a method or a variant of it share in one environment."""

    method: type[Method]
    config: Any
    json: Any  # the config as it stands in parameters
    joint: bool  # it learns with the policy


class Refusals:
    """Of one environment."""

    def __init__(self, env: type[Environment], env_config: Any, config: Config, elsewhere: Mapping[str, Elsewhere]):
        self.env, self.env_config, self.config, self._elsewhere = env, env_config, config, elsewhere
        self._no_features = cache(self._without_features)
        self._everywhere = self._no_environment(env.spec(env_config))

    def why(self, row: Row, policy: type[Policy]) -> str | None:
        method, config, joint = row.method, row.config, row.joint
        spec, needed = self.env.spec(self.env_config), method.batch_spec(config).min_views
        if config.on:
            if not method.learns:
                return f"on={config.on}: {method.name} is not trained on demonstrations"
            if reason := self._elsewhere[config.on].refused(config.on, self.env.name, self.env_config.resolution, needed):
                return reason
        elif spec.views and len(spec.views) < needed:  # without views it is not there, which is said where it would be used
            return f"needs {needed} views, {self.env.name} has {len(spec.views)}"
        if reason := self._no_features(row):
            return reason
        if method.privileged and not spec.state_dim:
            return f"{self.env.name} has no state"
        if self.config.shift.evaluation != "none" and not issubclass(self.env, Simulator):
            return "shift.evaluation needs a simulator; shift.train shifts the recordings"
        recoloured = self.config.shift != ShiftConfig() or (joint and self.config.joint.augment != "none")
        if recoloured and all_with_depth(spec.views):
            return f"shift and joint.augment are of colours, and {self.env.name} shows depth"
        if self._everywhere:
            return self._everywhere
        if self.config.fit.dagger.rounds and (reason := self._no_rounds(policy)):
            return reason
        if reason := self._no_goal(method, policy):
            return reason
        if joint and not policy.learns:
            return f"{policy.name} has no gradient that an encoder could be trained by"
        return None

    def _no_goal(self, method: type[Method], policy: type[Policy]) -> str | None:
        goal = self.config.fit.goal
        if method.goals and goal not in method.goals:
            return f"{method.name} looks at observations and goals together: fit.goal={' or '.join(method.goals)}, not {goal}"
        if policy.needs_goal and goal == "none":
            return f"{policy.name} acts towards a goal: name one with fit.goal, such as fit.goal=future"
        return None

    def _without_features(self, row: Row) -> str | None:
        data = data_spec(self.env, self.env_config)
        return why_no_features(row.method, row.config, data, self.config.embed.features)

    def _no_rounds(self, policy: type[Policy]) -> str | None:
        """Why DAgger cannot be had. A label is the expert's action in one state: those of the states after it are what it would
        have done where the policy went, and no plan of its own, so a chunk of them would teach what nobody does."""
        if not (issubclass(self.env, Simulator) and self.env.expert_of_any_state):
            return f"fit.dagger needs an expert that can label any state, which {self.env.name} does not have"
        if self.config.fit.goal != "none":
            return f"fit.dagger knows no goals: fit.goal={self.config.fit.goal}"
        if "language" in policy.inputs:
            return f"{policy.name} is told in words what to do, and nobody says that of the episodes that fit.dagger collects"
        if self.config.rollout.starts == "demonstrations":
            return "rollout.starts=demonstrations takes those of the first fit: fit.dagger.rounds shows the last one others"
        if self.config.policy[policy.name].chunk != 1:
            name = f"policy.{policy.name}"
            return f"fit.dagger labels one action at a time. Fix it with: {name}.chunk=1 {name}.execute=1"
        return None

    def _no_environment(self, spec: EnvSpec) -> str | None:
        """Settings that ask for something this environment or its demonstrations do not have."""
        demonstrations, goal = self.env_config.demonstrations, self.config.fit.goal
        component = component_of(self.env.name)
        count, share = self.env_config.episodes, self.config.split.from_all
        if not 0 < held_out_of(count, share) < count:
            return f"split.held_out={share:g} of {count} demonstrations {NOTHING_LEFT}"
        if demonstrations not in self.env.sources:
            return f"env.{component}.demonstrations={demonstrations}: there are {', '.join(self.env.sources)}"
        if demonstrations == "scripted" and issubclass(self.env, Simulator) and not self.env.has_expert():
            others = " or ".join(f"env.{component}.demonstrations={name}" for name in self.env.sources if name != "scripted")
            return f"{self.env.name} has no scripted expert: {others or 'write one, or name recordings in its sources'}"
        if goal == "task" and not spec.tasks:
            return f"fit.goal=task: {self.env.name} has no tasks"
        if goal not in ("none", "task") and (unseen := self._tasks_not_held_out(spec)):
            more = f"raise env.{component}.episodes={self.env_config.episodes} or split.held_out"
            return f"fit.goal={goal}: no held-out demonstration shows the goal of {', '.join(unseen)}; {more}"
        return None

    def _tasks_not_held_out(self, spec: EnvSpec) -> list[str]:
        """Tasks whose goal no held-out demonstration will show. Of scripted ones this is known before they are recorded, since
        the seed decides the task. A demonstration that was trained on is no substitute: to a neighbour head its own steps would
        be closer by the whole distance between goals."""
        count = self.env_config.episodes
        if self.env_config.demonstrations != "scripted" or not issubclass(self.env, Simulator):
            return []
        asked = [self.env.task(self.env_config, seed("demonstrations", self.env.name, index)) for index in range(count)]
        if None in asked:  # episodes do not ask for one task
            return []
        _, held_out = split(count, self.config.split.from_all)
        return sorted(set(spec.tasks) - {asked[index] for index in held_out})
