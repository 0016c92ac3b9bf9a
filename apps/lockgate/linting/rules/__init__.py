"""Every rule there is, by group; ids never change their meaning and are never used again.

A rule that is decorated and not listed, or has the id or the name of another, fails when this is imported.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from lockgate.linting.rules import (
    acceptance,
    columns,
    compatibility,
    constraints,
    data,
    dependents,
    indexes,
    live,
    replacements,
    shared_columns,
    tables,
    transactions,
    types,
)
from lockgate.linting.rules.rule import DECORATED, Example, Finding, Rule, Severity

GROUPS = {
    "LG0": ("Acceptance", acceptance.RULES),
    "LG1": ("Indexes", indexes.RULES + replacements.RULES),
    "LG2": ("Constraints", constraints.RULES + shared_columns.RULES),
    "LG3": ("Columns", columns.RULES),
    "LG4": ("Tables", tables.RULES),
    "LG5": ("Types and extensions", types.RULES),
    "LG6": ("Data", data.RULES),
    "LG7": ("Transactions and the runner", transactions.RULES),
    "LG8": ("The release that still serves", compatibility.RULES),
    "LG9": ("What the database shows now", live.RULES + dependents.RULES),
}
ALL: tuple[Rule, ...] = tuple(each for _, rules in GROUPS.values() for each in rules)
BY_ID = {each.id: each for each in ALL}

for _each in iter_modules(__path__):  # also a module whose rules nobody has listed
    import_module(f"{__name__}.{_each.name}")
if _unlisted := [each.id for each in DECORATED if each.id not in BY_ID]:
    raise ValueError(f"rules that are in no group's RULES: {', '.join(_unlisted)}")

__all__ = ["ALL", "BY_ID", "GROUPS", "Example", "Finding", "Rule", "Severity"]
