"""Faults of paper."""

from faults.fault import Fault

FAULTS = (
    Fault(
        "paper: a budget under the paper's preset goes unnoticed",
        "benchmark/planning/paper.py",
        "if (own, amount) != (unit, published):",
        "if own != unit:",
        "planning/test_paper.py::test_one_override_is_one_departure",
    ),
    Fault(
        "paper: settings within a group go unnoticed",
        "benchmark/planning/paper.py",
        '("embed", ours.embed, paper.embed), ("split", ours.split, paper.split)',
        '("split", ours.split, paper.split)',
        "planning/test_paper.py::test_one_override_is_one_departure",
    ),
    Fault(
        "paper: a departure does not keep ours from being compared",
        "benchmark/results/versus_paper.py",
        "        recipe=recipe,\n",
        "",
        "report/test_tables.py::test_status_where_numbers_can_be_compared",
    ),
    Fault(
        "paper: gaps are not sorted by score",
        "benchmark/report/tables/gaps.py",
        "    scored.sort(key=lambda each: -each[1].estimate)\n",
        "",
        "report/test_gaps.py::test_the_highest_score_comes_first",
    ),
    Fault(
        "paper: a number inside our interval is explained away",
        "benchmark/report/tables/gaps.py",
        "INSIDE if inside else _reason(view, paper.column, row, why) if why",
        "_reason(view, paper.column, row, why) if why",
        "report/test_gaps.py::test_a_gap_has_a_reason_and_what_is_inside_the_interval_none",
    ),
    Fault(
        "paper: a gap is held against the first policy that was measured",
        "benchmark/report/tables/gaps.py",
        "column.env not in of_env or column.policy == policy",
        "column.env not in of_env",
        "report/test_gaps.py::test_an_environment_is_shown_under_the_papers_policy",
    ),
    Fault(
        "paper: whatever is called as a budget is none of the recipe",
        "benchmark/planning/paper.py",
        """if f"{path.partition('.')[0]}.{field.name}" in APART""",
        """if any(apart.endswith(f".{field.name}") for apart in APART)""",
        "planning/test_paper.py::test_a_setting_of_a_component_counts_even_where_a_budget_has_its_name",
    ),
)
