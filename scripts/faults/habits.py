"""Faults of habits: what a user meets first."""

from faults.fault import Fault

CHECK = "cli/test_check.py"
GYMNASIUM = "envs/test_gymnasium_env.py"

FAULTS = (
    Fault(
        "habits: the first fault hides the others",
        "benchmark/conformance/common.py",
        "            self.messages.append(message)\n",
        "            raise AssertionError(message)\n",
        f"{CHECK}::test_every_fault_of_an_observation_is_told_with_its_step",
    ),
    Fault(
        "habits: an error names our line",
        "benchmark/conformance/__init__.py",
        "(own or frames)[-1]",
        "frames[-1]",
        f"{CHECK}::test_an_error_of_the_component_names_its_own_line",
    ),
    Fault(
        "habits: check forgets the overrides",
        "benchmark/cli/check.py",
        "overrides=options.overrides, **chosen",
        "**chosen",
        f"{CHECK}::test_the_preset_and_overrides_are_those_of_the_component",
    ),
    Fault(
        "habits: an expert that does not exist is asked",
        "benchmark/contracts/environment.py",
        '"scripted" in cls.sources and cls.expert is not Simulator.expert',
        '"scripted" in cls.sources',
        f"{CHECK}::test_an_expert_that_is_asked_for_and_absent_is_said",
    ),
    Fault(
        "habits: a recording may change after planning",
        "envs/_shared/gymnasium_env.py",
        "self.sha256 = pinned(folder, manifest, self.sha256)",
        "self.sha256 = pinned(folder, manifest, '')",
        f"{GYMNASIUM}::test_its_demonstrations_are_a_recording_held_to_its_content",
    ),
)
