"""What to write instead of an operation, made from that operation: Django's own operations, with the project's names.

An offer replaces one operation in its migration, and may add migrations after it, each to be deployed when the one
before has been. Where it cannot be told that the end is the same, there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from django.db.migrations import Migration
from django.db.migrations.operations import (
    AddConstraint,
    AddField,
    AddIndex,
    AlterIndexTogether,
    AlterUniqueTogether,
    RenameField,
)
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from lockgate.project_state.operations import is_djangos_schema


class Situation(NamedTuple):
    """Where a hazard is. number: the operation's place in the migration. before: the models before it.

    online: whether Lockgate does online what it can.
    """

    migration: Migration
    number: int
    before: ProjectState
    online: bool = True

    @property
    def operation(self) -> Operation:
        return self.migration.operations[self.number]

    @property
    def app(self) -> str:
        return str(self.migration.app_label)


class Function(NamedTuple):
    """A function for RunPython, as source: it is in no module yet. reversible: whether nothing takes it back."""

    name: str
    source: str
    imports: frozenset[str] = frozenset()
    reversible: bool = True
    elidable: bool = True


@dataclass(frozen=True)
class Written:
    """One migration to write. name: what its file's name says. accepts: reasons by rule."""

    name: str
    operations: tuple[Operation | Function, ...]
    atomic: bool = True
    accepts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Offer:
    """number: the operation that goes. instead: what takes its place, maybe nothing. later: migrations that follow.

    atomic: whether the migration is to be. note: what comes of it, in a sentence. accepts: reasons by rule, in the
    migration itself.
    """

    number: int
    note: str
    instead: tuple[Operation | Function, ...] = ()
    later: tuple[Written, ...] = ()
    atomic: bool = True
    accepts: Mapping[str, str] = field(default_factory=dict)


Instead = Callable[[Situation], Offer | None]
ONLINE = "Lockgate does it online by itself in a migration of its own; no other code is needed"


def alone(situation: Situation) -> Offer | None:
    """The operation as it is, in an atomic migration of its own, where Lockgate gives it its online way.

    Not a new field with a default: what all old rows get at once is checked, or indexed, at once.
    """
    operation = situation.operation
    filled = isinstance(operation, AddField) and (operation.field.has_default() or operation.field.has_db_default())
    return taken_out(situation, situation.number, ONLINE) if situation.online and not filled else None


def apart(note: str) -> Instead:
    """The same, for what is safe once it does not share a transaction."""
    return lambda situation: taken_out(situation, situation.number, note)


def taken_out(
    situation: Situation, number: int, note: str, *, passes: Callable[[Operation], bool] = is_djangos_schema
) -> Offer | None:
    """An operation in a migration after its own, where those that stay do not need it.

    passes: whether one that follows may go before it, by its kind.
    """
    operations, operation = situation.migration.operations, situation.migration.operations[number]
    if not getattr(situation.migration, "online", True) or not is_djangos_schema_or_sql(operation):
        return None
    if len(operations) == 1:
        return None if situation.migration.atomic else Offer(number, note, (operation,))
    following = operations[number + 1 :]
    if not all(map(passes, following)) or _is_named(situation, number) or not _fit(situation, number):
        return None
    later = Written(operation.migration_name_fragment or "next", (operation,))
    return Offer(number, note, (), (later,), atomic=bool(situation.migration.atomic))


def is_djangos_schema_or_sql(operation: Operation) -> bool:
    """What can be written down again: all but code, which stands in a file."""
    return type(operation).__module__.startswith(("django.db.migrations.", "django.contrib.postgres.")) and (
        type(operation).__name__ != "RunPython"
    )


def _is_named(situation: Situation, number: int) -> bool:
    """Whether a key, an index or a constraint after it may name a new column: models without the column allow that."""
    operation, *following = situation.migration.operations[number:]
    if not isinstance(operation, AddField | RenameField):
        return False
    model, column = operation.model_name, getattr(operation, "new_name", operation.name)
    keys = [later for later in following if isinstance(later, AlterUniqueTogether | AlterIndexTogether)]
    others = [later for later in following if isinstance(later, AddIndex | AddConstraint)]
    return any(key.references_field(model, column, situation.app) for key in keys) or any(
        later.model_name.lower() == model.lower() for later in others
    )


def _fit(situation: Situation, number: int) -> bool:
    """Whether the models come to the same with the operation as the last one."""
    state = situation.before.clone()
    rest = list(situation.migration.operations[situation.number :])
    taken = rest.pop(number - situation.number)
    try:
        for operation in (*rest, taken):
            operation.state_forwards(situation.app, state)
    except Exception:  # a field or model that is not there yet
        return False
    return True
