"""Every rule there is, by group; ids never change their meaning and are never used again.

A rule is listed by being decorated, in whichever module here it stands. One of no group, or with the id or the name of
another, fails when this is imported.
"""

from __future__ import annotations

from importlib import import_module
from operator import attrgetter
from pkgutil import iter_modules

from lockgate.linting.rules.rule import DECORATED, Example, Finding, Rule, Severity, rule
from lockgate.linting.rules.rule_context import RuleContext
from lockgate.planning.lock_modes import LockMode
from lockgate.planning.steps import Change, Kind, Phase, Step

_TITLES = {
    "LG0": "Acceptance",
    "LG1": "Indexes",
    "LG2": "Constraints",
    "LG3": "Columns",
    "LG4": "Tables",
    "LG5": "Types and extensions",
    "LG6": "Data",
    "LG7": "Transactions and the runner",
    "LG8": "The release that still serves",
    "LG9": "What the database shows now",
}

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
ALL: tuple[Rule, ...] = tuple(sorted(DECORATED, key=attrgetter("id")))
BY_ID = {each.id: each for each in ALL}
GROUPS = {group: (title, tuple(each for each in ALL if each.id.startswith(group))) for group, title in _TITLES.items()}
if _of_no_group := [each.id for each in ALL if each.id[:3] not in _TITLES]:
    raise ValueError(f"rules of no group: {', '.join(_of_no_group)}")

# What a project writes its own rules with (docs/own-rules.md), and what we do.
__all__ = [
    "ALL",
    "BY_ID",
    "GROUPS",
    "Change",
    "Example",
    "Finding",
    "Kind",
    "LockMode",
    "Phase",
    "Rule",
    "RuleContext",
    "Severity",
    "Step",
    "rule",
]
