"""What becomes of what depends on a table, by PostgreSQL's rules: goes too, prevents the change, or stops working.

The table of rules is compared with PostgreSQL itself (tests/postgres/test_dependents.py).
Sources: https://www.postgresql.org/docs/current/ddl-depend.html, …/sql-altertable.html, …/sql-droptable.html,
…/logical-replication-publication.html, and ATPrepAlterColumnType() in src/backend/commands/tablecmds.c
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import NamedTuple

from lockgate.facts.dependents import Dependent
from lockgate.facts.dependents import DependentKind as On
from lockgate.facts.tables import DatabaseFacts
from lockgate.planning import lock_levels
from lockgate.planning.steps import Change, Kind, Work


class Outcome(Enum):
    """GOES: it is dropped too. REFUSED: the statement fails. BREAKS: it is there, and fails from then on.

    LAGS: subscribers must be changed as well. FORGOTTEN: it is dropped too, and only the planner misses it.
    """

    GOES = "goes"
    REFUSED = "refused"
    BREAKS = "breaks"
    LAGS = "lags"
    FORGOTTEN = "forgotten"


class Verdict(NamedTuple):
    """sqlstate: of the refusal, or of what fails afterwards, where there is one."""

    outcome: Outcome
    sqlstate: str = ""


_STORED = frozenset({On.VIEW, On.MATERIALIZED_VIEW, On.RULE, On.POLICY, On.FUNCTION, On.TRIGGER})
_BY_COLUMN = _STORED | {On.PUBLICATION_COLUMNS, On.GENERATED_COLUMN}
_INHERITED = frozenset({On.PARENT_TABLE, On.PARTITIONED_PARENT})
OF_TABLES = frozenset({On.FOREIGN_TABLE, On.VIEW_ITSELF})
_WITH_TABLE = _STORED | {On.FOREIGN_KEY, On.DEFAULT, On.CHILD_TABLE, On.ROW_TYPE_COLUMN}
_CONSTRAINTS = frozenset({Kind.ADD_UNIQUE, Kind.ADD_PRIMARY_KEY, Kind.ADD_FOREIGN_KEY, Kind.ADD_EXCLUSION})
_NOT_OF_FOREIGN = _CONSTRAINTS | {Kind.ADD_INDEX}
_NOT_OF_VIEW = _NOT_OF_FOREIGN | frozenset(
    {Kind.ADD_COLUMN, Kind.DROP_COLUMN, Kind.ALTER_TYPE, Kind.SET_NOT_NULL, Kind.DROP_NOT_NULL, Kind.ADD_CHECK}
    | {Kind.DROP_TABLE, Kind.DROP_CONSTRAINT}
)

REFUSED_TYPE, REFUSED_DROP, REFUSED_DEFINITION, WRONG_TYPE = "0A000", "2BP01", "42P16", "42809"
REFUSED_TYPE_14 = "42601"  # of a generated column, by PostgreSQL 14
NO_COLUMN, NO_IDENTITY = "42703", "55000"


def verdict(change: Change, dependent: Dependent, *, cascade: bool, published: bool) -> Verdict | None:
    """What one change does to one dependent; None where it does nothing.

    cascade: the statement says CASCADE, as Django's DROP TABLE does, and before 6.0 its DROP COLUMN. published: rows of
    the table need an identity for somebody. The change's columns are called what the dependent calls them.
    """
    find = _BY_KIND.get(change.kind)
    if dependent.kind in OF_TABLES:
        return _of_the_table(change, dependent)
    if dependent.kind is On.REPLICA_IDENTITY and change.kind is Kind.DROP_COLUMN:
        return Verdict(Outcome.BREAKS, NO_IDENTITY) if published and uses(change, dependent) else None
    if find is not None:
        return find(change, dependent, cascade)
    if change.kind in (Kind.DROP_CONSTRAINT, Kind.DROP_INDEX):
        return _index_dropped(change, dependent, cascade=cascade, published=published)
    return None


def _of_the_table(change: Change, dependent: Dependent) -> Verdict | None:
    foreign = dependent.kind is On.FOREIGN_TABLE
    if change.kind in (_NOT_OF_FOREIGN if foreign else _NOT_OF_VIEW):
        return Verdict(Outcome.REFUSED, WRONG_TYPE)
    return None


def _column_dropped(change: Change, dependent: Dependent, cascade: bool) -> Verdict | None:
    if dependent.kind is On.SUBSCRIPTION:
        return Verdict(Outcome.BREAKS)
    if not uses(change, dependent):
        return None
    if dependent.kind in _INHERITED | {On.PARTITION_KEY}:
        return Verdict(Outcome.REFUSED, REFUSED_DEFINITION)
    if dependent.kind in _BY_COLUMN | {On.FOREIGN_KEY, On.DEFAULT}:
        automatic = dependent.kind is On.GENERATED_COLUMN and dependent.rests_on  # PostgreSQL 14 does not ask
        return Verdict(Outcome.GOES) if cascade or automatic else Verdict(Outcome.REFUSED, REFUSED_DROP)
    left = {On.STATISTICS: Verdict(Outcome.FORGOTTEN), On.TRIGGER_FUNCTION: Verdict(Outcome.BREAKS, NO_COLUMN)}
    return left.get(dependent.kind)


def _table_dropped(_: Change, dependent: Dependent, cascade: bool) -> Verdict | None:
    if dependent.own or dependent.kind not in _WITH_TABLE:
        return None
    return Verdict(Outcome.GOES) if cascade else Verdict(Outcome.REFUSED, REFUSED_DROP)


def _type_changed(change: Change, dependent: Dependent, _: bool) -> Verdict | None:
    if dependent.kind is On.ROW_TYPE_COLUMN:
        return Verdict(Outcome.REFUSED, REFUSED_TYPE) if lock_levels.work_of(change) is Work.REWRITE else None
    if dependent.kind is On.PUBLICATION:
        return _lag(change.columns, dependent)
    if not uses(change, dependent):
        return None
    if dependent.kind in _INHERITED | {On.PARTITION_KEY}:
        return Verdict(Outcome.REFUSED, REFUSED_DEFINITION)
    code = REFUSED_TYPE_14 if dependent.kind is On.GENERATED_COLUMN and dependent.rests_on else REFUSED_TYPE
    return Verdict(Outcome.REFUSED, code) if dependent.kind in _BY_COLUMN else None


def _column_renamed(change: Change, dependent: Dependent, _: bool) -> Verdict | None:
    if dependent.kind is On.PUBLICATION:
        return _lag((change.old_name,), dependent)
    if dependent.kind is On.SUBSCRIPTION:
        return Verdict(Outcome.BREAKS)
    if change.old_name not in dependent.columns:
        return None
    if dependent.kind in _INHERITED:
        return Verdict(Outcome.REFUSED, REFUSED_DEFINITION)
    return Verdict(Outcome.BREAKS, NO_COLUMN) if dependent.kind is On.TRIGGER_FUNCTION else None


def _table_renamed(_: Change, dependent: Dependent, __: bool) -> Verdict | None:
    if dependent.kind is On.SUBSCRIPTION:
        return Verdict(Outcome.BREAKS)
    return Verdict(Outcome.LAGS) if dependent.kind is On.PUBLICATION else None


def _column_added(change: Change, dependent: Dependent, _: bool) -> Verdict | None:
    if dependent.kind is On.PARTITIONED_PARENT:
        return Verdict(Outcome.REFUSED, WRONG_TYPE)
    if dependent.kind is On.ROW_TYPE_COLUMN and lock_levels.work_of(change) is Work.REWRITE:
        return Verdict(Outcome.REFUSED, REFUSED_TYPE)
    return _lag(change.columns, dependent) if dependent.kind is On.PUBLICATION else None


def _lag(columns: tuple[str, ...], publication: Dependent) -> Verdict | None:
    """A publication with a list of columns carries these alone: of others its subscribers see nothing."""
    carried = not publication.columns or bool(set(columns) & set(publication.columns))
    return Verdict(Outcome.LAGS) if carried else None


def _null_allowed(change: Change, dependent: Dependent, _: bool) -> Verdict | None:
    identity = dependent.kind is On.REPLICA_IDENTITY and uses(change, dependent)
    return Verdict(Outcome.REFUSED, REFUSED_DEFINITION) if identity else None


def _index_dropped(change: Change, dependent: Dependent, *, cascade: bool, published: bool) -> Verdict | None:
    if not change.name or dependent.rests_on != change.name:
        return None
    if dependent.kind is On.FOREIGN_KEY:
        return Verdict(Outcome.GOES) if cascade else Verdict(Outcome.REFUSED, REFUSED_DROP)
    if dependent.kind is On.REPLICA_IDENTITY and published:
        return Verdict(Outcome.BREAKS, NO_IDENTITY)
    return None


_BY_KIND = {
    Kind.DROP_COLUMN: _column_dropped,
    Kind.DROP_TABLE: _table_dropped,
    Kind.ALTER_TYPE: _type_changed,
    Kind.RENAME_COLUMN: _column_renamed,
    Kind.RENAME_TABLE: _table_renamed,
    Kind.ADD_COLUMN: _column_added,
    Kind.DROP_NOT_NULL: _null_allowed,
}


def uses(change: Change, dependent: Dependent) -> bool:
    return bool(set(change.columns) & set(dependent.columns))


def of_table(facts: DatabaseFacts) -> Mapping[str, list[Dependent]]:
    dependents: dict[str, list[Dependent]] = {}
    for dependent in facts.dependents:
        dependents.setdefault(dependent.table, []).append(dependent)
    return dependents


def needs_identity(dependents: Iterable[Dependent]) -> bool:
    """Whether UPDATE and DELETE of the table fail without a replica identity."""
    return any(dependent.kind is On.PUBLICATION and dependent.rests_on for dependent in dependents)
