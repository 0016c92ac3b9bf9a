"""What a rule is: data that says what, why and what to do, one pure function, and examples that are tests and docs."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import NamedTuple

from lockgate.facts.tables import DatabaseFacts
from lockgate.linting.rules import fields
from lockgate.linting.rules.offer import Instead
from lockgate.linting.rules.rule_context import RuleContext
from lockgate.planning.sql_changes.functions import VOLATILE

# The version that examples and offline planning assume: the oldest that has everything rewrites know of but NOT NULL
# … NOT VALID, so that what is said holds for later ones too.
ASSUMED_VERSION = 160000
# Nothing was asked. Functions that are computed for every row, as far as they are known without a catalog.
OFFLINE = DatabaseFacts(
    version=ASSUMED_VERSION,
    offline=True,
    volatile_functions=VOLATILE,
)


class Severity(StrEnum):
    """error: requests fail or stall, or data is lost. warning: it depends on what only people know."""

    ERROR = "error"
    WARNING = "warning"


ERROR, WARNING = Severity.ERROR, Severity.WARNING


class Example(NamedTuple):
    """A migration as Python source. facts: what the catalog says, for rules that need to know; database: that in words.

    later: migrations that follow, each to be deployed when the one before has been.
    """

    source: str
    facts: DatabaseFacts = OFFLINE
    database: str = ""
    later: tuple[str, ...] = ()

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.source, *self.later)


class Finding(NamedTuple):
    """One place that a rule is about. what: in one clause. operation: its place in the migration, from 0.

    pattern: the remedy in this very place, in a sentence, where no code can be made of the operation.
    """

    what: str
    operation: int | None = None
    table: str = ""
    pattern: str = ""


Find = Callable[[RuleContext], Iterator[Finding]]


class Rule(NamedTuple):
    """condition: when it is reported. effect: what happens to a live database. remedy: what to do instead.

    rests_on: the page of PostgreSQL's or Django's documentation that says so. squawk: names of squawk's rules that find
    the same in SQL. other_end: what differs, where the safe example ends in another schema than the unsafe one on
    purpose.
    instead: makes the migrations to write in its place.
    """

    id: str
    name: str
    severity: Severity
    condition: str
    effect: str
    remedy: str
    unsafe: Example
    safe: Example
    find: Find
    squawk: tuple[str, ...] = ()
    instead: Instead | None = None
    rests_on: str = ""
    other_end: str = ""


NONE = Example("")
OURS = "LG"  # what our ids begin with, and no project's may
_ID = re.compile("[A-Z]+[0-9]+")

DECORATED: list[Rule] = []  # every rule that was made


def rule(  # noqa: PLR0913  a rule's fields, named at the call
    identity: str,
    name: str,
    severity: Severity,
    *,
    condition: str,
    effect: str,
    remedy: str,
    rests_on: str = "",
    unsafe: str | Example = NONE,
    safe: str | Example | list[str] = NONE,
    squawk: tuple[str, ...] = (),
    instead: Instead | None = None,
    other_end: str = "",
) -> Callable[[Find], Rule]:
    """Make a rule of the function below it.

    Raises ValueError where the id or the name is another's, or a project's rule takes an id that is ours to give.
    """

    def decorated(find: Find) -> Rule:
        said, examples = (condition, effect, remedy), (_example(unsafe), _example(safe))
        new_rule = Rule(identity, name, severity, *said, *examples, find, squawk, instead, rests_on, other_end)
        _refuse(new_rule)
        DECORATED.append(new_rule)
        return new_rule

    return decorated


def _refuse(new: Rule) -> None:
    head = f"{new.id} ({new.name})"
    for known in DECORATED:
        if known.id == new.id or known.name == new.name:
            raise ValueError(f"{head}: {known.id} ({known.name}) is a rule already")
    if not _ID.fullmatch(new.id):
        raise ValueError(f"{head}: an id is capital letters and then digits, as in ACME001")
    if new.id.startswith(OURS) and not new.find.__module__.startswith(__package__):
        raise ValueError(f"{head}: ids that begin with {OURS} are Lockgate's own; take other letters, as in ACME001")


def _example(written: str | Example | list[str]) -> Example:
    if isinstance(written, Example):
        return written
    first, *later = map(source, [written] if isinstance(written, str) else written)
    return Example(first, later=tuple(later))


def accepting(identity: str, reason: str, operations: str) -> str:
    """A migration's source that accepts a hazard: what is right once people have seen to it."""
    whole = source(operations)
    attribute = f'    lockgate_accept = {{"{identity}": "{reason}"}}\n\n'
    return whole.replace("(migrations.Migration):\n", f"(migrations.Migration):\n{attribute}", 1)


def filling(field: str, value: str, *, each: bool = False) -> str:
    """A migration's source that fills a column of the shop's orders in portions. each: every row has its own value."""
    filled = fields.filling_each if each else fields.filling
    function = filled(f"fill_{field}", "shop", "Order", field, value)
    return f"""{function}

class Migration(migrations.Migration):
    atomic = False

    operations = [
        migrations.RunPython(fill_{field}, migrations.RunPython.noop, elidable=True),
    ]
"""


def source(text: str) -> str:
    """A migration's source without its imports; operations alone are put into a Migration class.

    ``atomic = False`` may stand before the operations, in a line of its own.
    """
    text = textwrap.dedent(text).strip("\n")
    if "class Migration" in text:
        return text + "\n"
    attributes, separator, operations = text.rpartition("atomic = False\n")
    head = "class Migration(migrations.Migration):\n" + (f"    {separator}\n" if separator else "")
    return f"{head}    operations = [\n{textwrap.indent(attributes + operations, ' ' * 8)}\n    ]\n"
