"""The cases, by what they change. What is unsafe has a look-alike that is safe beside it, where there is one."""

from tests.conformance.comparison.case import Case
from tests.conformance.comparison.cases import columns, constraints, data, indexes, sql, tables

GROUPS: dict[str, tuple[Case, ...]] = {
    "Indexes": indexes.CASES,
    "Constraints": constraints.CASES,
    "New columns": columns.NEW,
    "Columns that are there": columns.CHANGED,
    "Tables": tables.CASES,
    "SQL by hand": sql.CASES,
    "Data": data.CASES,
}
ALL = tuple(case for group in GROUPS.values() for case in group)
