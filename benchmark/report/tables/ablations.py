"""What a method loses without its parts, in percent of the full method and absolute (the paper's Table 6)."""

from __future__ import annotations

from benchmark.report.inputs import TableInputs
from benchmark.report.table import Table
from benchmark.report.tables._relative import printed_variants, relative_table, variants


def table(inputs: TableInputs) -> Table:
    elsewhere = printed_variants("actions") | printed_variants("finetune")
    return relative_table(inputs.view, "ablations", [row for row in variants(inputs.view) if row.variant not in elsewhere])
