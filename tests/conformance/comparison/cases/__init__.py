"""The cases, by what they change. What is unsafe has a look-alike that is safe beside it, where there is one.

The last groups are made after the tests of other linters.
"""

from tests.conformance.comparison.case import Case
from tests.conformance.comparison.cases import (
    columns,
    constraints,
    data,
    django_linters,
    indexes,
    online_migrations,
    pgfence,
    sql,
    squawk,
    strong_migrations,
    tables,
)

GROUPS: dict[str, tuple[Case, ...]] = {
    "Indexes": indexes.CASES,
    "Constraints": constraints.CASES,
    "New columns": columns.NEW,
    "Columns that are there": columns.CHANGED,
    "Tables": tables.CASES,
    "SQL by hand": sql.CASES,
    "Data": data.CASES,
    "After strong_migrations": strong_migrations.CASES,
    "After online_migrations": online_migrations.CASES,
    "After squawk": squawk.CASES,
    "After pgfence": pgfence.CASES,
    "After django-migration-linter": django_linters.CASES,
}
ALL = tuple(case for group in GROUPS.values() for case in group)
