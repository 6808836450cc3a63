"""What ground-truth actions add (the paper's Table 7)."""

from __future__ import annotations

from benchmark.report.inputs import TableInputs
from benchmark.report.table import Table
from benchmark.report.tables._relative import printed_variants, relative_table, variants


def table(inputs: TableInputs) -> Table:
    printed = printed_variants("actions")
    return relative_table(inputs.view, "actions", [row for row in variants(inputs.view) if row.variant in printed])
