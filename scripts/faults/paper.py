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
        "paper: whatever is called as a budget is none of the recipe",
        "benchmark/planning/paper.py",
        """if f"{path.partition('.')[0]}.{field.name}" in APART""",
        """if any(apart.endswith(f".{field.name}") for apart in APART)""",
        "planning/test_paper.py::test_a_setting_of_a_component_counts_even_where_a_budget_has_its_name",
    ),
)
