"""What a case is: a migration of the shop, whether it is unsafe on a large table that is in use, and why."""

from __future__ import annotations

import hashlib
import textwrap
from dataclasses import dataclass
from enum import StrEnum

HEAD = """\
import uuid

import django.contrib.postgres.constraints as postgres_constraints
import django.contrib.postgres.fields as postgres_fields
import django.contrib.postgres.functions as postgres_functions
import django.contrib.postgres.operations as postgres_operations
import django.db.models.functions as functions
from django.db import migrations, models
"""


class Danger(StrEnum):
    """What can be wrong with a migration. A tool finds a case when it names one of the case's dangers."""

    LOCK = "requests wait while a lock is held through a build, a scan or a rewrite"
    OLD = "the release that still serves breaks"
    LOSS = "data is lost"
    FAILS = "it fails, or leaves half of itself behind"
    DATA = "rows are changed or loaded all at once"
    SLOW = "later statements become slow"


Perhaps = tuple[Danger, ...]


@dataclass(frozen=True)
class Case:
    """One case. dangers: none where it is safe. why: in one sentence. source: a page that says so.

    bodies: of its migrations, which go out as one release: operations alone, or whole classes with functions.
    perhaps: dangers that are there or not by what the application does, what the database has besides, or whether the
    machine fails: nobody can tell them from the migration, so that a warning of one is no false alarm; an error is.
    after: the project and file whose test or documentation the case is made after, in our own words.
    """

    name: str
    dangers: frozenset[Danger]
    why: str
    source: str
    bodies: tuple[str, ...]
    perhaps: frozenset[Danger] = frozenset()
    after: str = ""

    @property
    def safe(self) -> bool:
        return not self.dangers

    @property
    def names(self) -> tuple[str, ...]:
        """Of its migrations; the shop's first one makes the tables."""
        return tuple(f"{number:04}_case" for number in range(2, len(self.bodies) + 2))

    @property
    def digest(self) -> str:
        """Of its migrations, to tell whether they are what was judged."""
        return hashlib.sha256("\0".join(self.files().values()).encode()).hexdigest()[:16]

    def files(self) -> dict[str, str]:
        """Each migration's file, by the migration's name."""
        before = ("0001_initial", *self.names)
        return {name: text(body, after) for name, body, after in zip(self.names, self.bodies, before, strict=False)}


def unsafe(
    name: str,
    *dangers: Danger,
    why: str,
    source: str,
    do: str | tuple[str, ...],
    perhaps: Perhaps = (),
    after: str = "",
) -> Case:
    bodies = (do,) if isinstance(do, str) else do
    return Case(name, frozenset(dangers), why, source, bodies, frozenset(perhaps), after)


def safe(
    name: str, *, why: str, source: str, do: str | tuple[str, ...], perhaps: Perhaps = (), after: str = ""
) -> Case:
    return unsafe(name, why=why, source=source, do=do, perhaps=perhaps, after=after)


def sql(*statements: str, atomic: bool = True) -> str:
    """The body of a migration that sends these, one operation each."""
    operations = [f"migrations.RunSQL({statement!r}, migrations.RunSQL.noop),\n" for statement in statements]
    return ("" if atomic else "atomic = False\n") + "".join(operations)


def text(body: str, after: str | None) -> str:
    """A migration's file. body: operations, or functions and ``class Migration`` without its dependencies.

    ``atomic = False`` may stand before the operations, in a line of its own.
    """
    body = textwrap.dedent(body).strip("\n")
    functions, has_class, operations = body.rpartition("OPERATIONS\n")
    atomic, not_atomic, operations = (operations if has_class else body).rpartition("atomic = False\n")
    assert not atomic, body
    depends = [("shop", after)] if after else []
    return (
        f"{HEAD}\n{functions}\n\nclass Migration(migrations.Migration):\n"
        + ("    atomic = False\n" if not_atomic else "")
        + f"    dependencies = {depends}\n    operations = [\n{textwrap.indent(operations, ' ' * 8).rstrip()}\n    ]\n"
    )
