"""Flags are taken as they are written or not at all; settings may stand anywhere."""

from __future__ import annotations

import pytest

from benchmark.cli.main import parse


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("run --seed 3", "unrecognized argument --seed; did you mean --seeds?"),
        ("run --seed=3", "unrecognized argument --seed; did you mean --seeds?"),
        ("plan --method dynamo", "unrecognized argument --method; did you mean --methods?"),
        ("table --seed 3 main", "unrecognized argument --seed; did you mean --seeds?"),
        ("results gc --ye", "unrecognized argument --ye; did you mean --yes?"),
        ("results export --record x there", "unrecognized argument --record; did you mean --records?"),
        ("data import --reso 64 there", "unrecognized argument --reso; did you mean --resolution?"),
        ("doctor --zzzz", "unrecognized argument --zzzz\n"),
        ("--hel", "unrecognized argument --hel; did you mean --help?"),
        ("results --hel", "unrecognized argument --hel; did you mean --help?"),
        ("list methods more", "unrecognized arguments: more"),
        ("list methods a=b", "unrecognized arguments: a=b"),
        ("run -x", "unrecognized arguments: -x"),
        ("rnu", "unknown 'rnu'; did you mean run? Known: run, plan"),
        ("results lss", "unknown 'lss'; did you mean ls"),
        ("table main --format mdd", "unknown 'mdd'; did you mean md"),
        ("data import x --format lerobt", "unknown 'lerobt'; did you mean lerobot"),
        ("", "the following arguments are required: VERB"),
        ("results", "the following arguments are required: ACTION"),
    ],
)
def test_what_is_misspelt_is_refused_with_the_nearest_name(command: str, message: str, capsys) -> None:
    with pytest.raises(SystemExit) as stop:
        parse(command.split())  # only parsed: what is accepted by mistake must not start a run
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert error.endswith("--help)\n")


def test_no_beginning_of_a_flag_is_taken_for_it(capsys) -> None:
    """`--seed 3` used to run three seeds."""
    for flag in ("--home", "--quiet", "--methods", "--seeds", "--first-seed", "--preset", "--videos"):
        for end in range(3, len(flag)):
            with pytest.raises(SystemExit):
                parse(["run", flag[:end], "1"])
            assert f"unrecognized argument {flag[:end]}" in capsys.readouterr().err


def test_settings_may_stand_anywhere_and_keep_their_order() -> None:
    options = parse(["run", "a.b=1", "--methods", "byol", "c=2", "--seeds", "3", "d=4", "e=--f"])
    assert options.overrides == ["a.b=1", "c=2", "d=4", "e=--f"]
    assert (options.methods, options.seeds) == (["byol"], 3)
    assert parse(["data", "make", "kitchen", "a=1", "--episodes", "3", "b=2"]).overrides == ["a=1", "b=2"]


def test_values_that_are_no_flags_pass() -> None:
    assert parse(["run", "--seeds", "-1"]).seeds == -1
    assert parse(["data", "import", "--", "--odd"]).source == "--odd"
    assert parse(["run", "--seeds=3"]).seeds == 3
