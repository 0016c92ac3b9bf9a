"""A plan as data: steps, the locks they take and for how long, and the changes they make.

What ``migrate --plan`` prints, what the linter judges and what runs are the same list. Nothing here asks a server.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple

from lockgate.facts import Key
from lockgate.planning.lock_modes import LockMode


class Phase(StrEnum):
    """When a step runs, relative to the one transaction that makes the migration count."""

    EXPAND = "expand"
    SWITCH = "switch"
    FINISH = "finish"
    CONTRACT = "contract"


class Work(StrEnum):
    """How long a step takes, in terms of the table: what it does to its rows while it holds its lock."""

    MOMENT = "moment"  # the catalog alone
    SCAN = "scan"  # reads every row
    BUILD = "build"  # reads every row and writes an index
    REWRITE = "rewrite"  # writes every row anew, and its indexes
    ROWS = "rows"  # changes rows, as many as the statement finds
    UNKNOWN = "unknown"  # code or SQL that cannot be looked into

    @property
    def grows(self) -> bool:
        """Whether it takes longer the larger the table is, or may."""
        return self is not Work.MOMENT


class Lock(NamedTuple):
    """A lock on a table, and what is done while it is held."""

    table: str
    mode: LockMode
    work: Work


class Kind(StrEnum):
    """What a statement changes."""

    CREATE_TABLE = "create table"
    COLUMN_OF_NEW = "column of a new table"
    DROP_TABLE = "drop table"
    RENAME_TABLE = "rename table"
    MOVE_TABLE = "move table"
    COMMENT = "comment"
    ADD_COLUMN = "add column"
    DROP_COLUMN = "drop column"
    RENAME_COLUMN = "rename column"
    ALTER_TYPE = "alter type"
    SET_NOT_NULL = "set not null"
    DROP_NOT_NULL = "drop not null"
    SET_DEFAULT = "set default"
    DROP_DEFAULT = "drop default"
    ADD_IDENTITY = "add identity"
    DROP_IDENTITY = "drop identity"
    ADD_INDEX = "add index"
    DROP_INDEX = "drop index"
    RENAME_INDEX = "rename index"
    ADD_UNIQUE = "add unique constraint"
    ADD_PRIMARY_KEY = "add primary key"
    ADD_CHECK = "add check constraint"
    ADD_FOREIGN_KEY = "add foreign key"
    ADD_EXCLUSION = "add exclusion constraint"
    DROP_CONSTRAINT = "drop constraint"
    VALIDATE_CONSTRAINT = "validate constraint"
    RENAME_CONSTRAINT = "rename constraint"
    ALTER_CONSTRAINT = "alter constraint"
    SET_EXPRESSION = "set expression"
    SET_STATISTICS = "set statistics"
    SET_STORAGE = "set storage"
    TABLE_OPTIONS = "set table options"
    STRONG_OPTIONS = "set options that queries see"
    INDEX_OPTIONS = "set index options"
    MOVE_INDEX = "move index"
    OWNER = "change owner"
    SET_SCHEMA = "set schema"
    RENAME_SCHEMA = "rename schema"
    CLUSTER_ON = "cluster on"
    REPLICA_IDENTITY = "replica identity"
    INHERIT = "inherit"
    GIVE_PARENT = "become a parent"
    ADD_PARTITION = "add partition"
    ATTACH_PARTITION = "attach partition"
    BECOME_PARTITION = "become a partition"
    DETACH_PARTITION = "detach partition"
    DETACHED = "be detached"
    CREATE_TRIGGER = "create trigger"
    SWITCH_TRIGGER = "enable or disable trigger"
    DROP_TRIGGER = "drop trigger"
    RULE = "rule"
    ROW_SECURITY = "row security"
    STATISTICS = "statistics"
    PUBLICATION = "publication"
    VIEW = "change view"
    REFRESH = "refresh materialized view"
    SEQUENCE = "alter sequence"
    DROP_SEQUENCE = "drop or rename sequence"
    TRUNCATE = "truncate"
    LOCK_TABLE = "lock table"
    VACUUM = "vacuum"
    VACUUM_FULL = "vacuum full"
    ANALYZE = "analyze"
    CLUSTER = "cluster"
    REINDEX = "reindex"
    READ = "name"
    READ_ROWS = "read rows"
    LOCK_ROWS = "lock rows"
    INSERT_ROWS = "insert rows"
    WRITES_LATER = "name to write"
    UPDATE_ROWS = "update rows"
    RUN_SQL = "run SQL"
    RUN_PYTHON = "run Python"
    EXTENSION = "extension"
    OTHER = "other"
    UNKNOWN = "unknown"


class Change(NamedTuple):
    """One thing that a statement changes.

    name: of the index or constraint; the new name for renames. old_name: the one before.
    references: the table a foreign key points to. referring: tables whose foreign keys point to an altered column.
    type, old_type: as Django writes them. Of a foreign key of SQL: the column's, and that of the key it refers to,
    which is old_name where the SQL names it. The same of a new table's column (COLUMN_OF_NEW) that is its primary key
    (unique), or refers.
    default: of a new column: "" none, "constant", or "volatile" (computed for every row).
    database_default: it stays in the database; Django drops a Python default right after adding the column.
    work: for ALTER_TYPE, what PostgreSQL must do to the rows; for ADD_COLUMN, what its type alone asks for.
    included: columns that an index carries along (INCLUDE).
    expression: an index of expressions; its columns are those that they use.
    satisfied: a constraint that a new column brings, which no row that is there can violate.
    unique: of UPDATE_ROWS, that the rows are named by the values of a key. columns: of it, those with constants.
    nulls_equal: a unique constraint or index to which one NULL is like another.
    moving: a new column's default is a function that may give another value at each call; server_default: the
    expression that computes on the server what it would, where there is one.
    read: code that was read, and leaves the schema alone; of UNKNOWN, that a rule of its own says what it does.
    special: an index of another method than btree, or with storage options; a foreign key by which the server itself
    sees to the rows that refer (ON DELETE CASCADE …); of SQL, what takes others along (CASCADE), makes nothing where it
    is there (IF NOT EXISTS), or fills nothing (WITH NO DATA).
    conditioned: the columns that a partial index's condition is about; none where that is not known.
    collated: a type change that brings another collation. requires: columns that a check says are not NULL.
    mode: of LOCK_TABLE.
    unchecked: of code, the tables with a foreign key by then among those that it names; collected: those from which it
    deletes rows that others refer to; named: the tables of models that have not Django's default one, by that.
    covered: of a dropped index, the others that begin with its columns, and are unique where it is.
    takes: of a dropped column, the indexes and constraints over several columns that go with it, in words.
    """

    kind: Kind
    table: str
    columns: tuple[str, ...] = ()
    name: str = ""
    old_name: str = ""
    references: str = ""
    type: str = ""
    old_type: str = ""
    default: str = ""
    database_default: bool = False
    not_null: bool = False
    stored: bool = False
    identity: bool = False
    unique: bool = False
    partial: bool = False
    concurrently: bool = False
    not_valid: bool = False
    using_index: bool = False
    proven: bool = False
    work: Work = Work.MOMENT
    included: tuple[str, ...] = ()
    expression: bool = False
    satisfied: bool = False
    nulls_equal: bool = False
    moving: bool = False
    server_default: str = ""
    read: bool = False
    special: bool = False
    referring: tuple[str, ...] = ()
    conditioned: tuple[str, ...] = ()
    collated: bool = False
    requires: tuple[str, ...] = ()
    mode: LockMode | None = None
    unchecked: tuple[str, ...] = ()
    collected: tuple[str, ...] = ()
    named: tuple[tuple[str, str], ...] = ()
    covered: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()

    @property
    def unread(self) -> bool:
        """Whether it is code, or SQL, that was not read to its end: what it does is not known."""
        return self.kind in (Kind.UNKNOWN, Kind.RUN_PYTHON) and not self.read

    @property
    def uses(self) -> tuple[str, ...]:
        """Every column that an index or constraint stands on; none where that is not known."""
        known = self.columns and (self.conditioned or not self.partial)
        return (*self.columns, *self.included, *self.conditioned) if known else ()


class Statement(NamedTuple):
    """One statement as it will be sent, with what it changes.

    online: the same, in the form that lets reads and writes pass (CONCURRENTLY, NOT VALID), where there is one.
    attach: for a unique constraint, the statement that makes it of an index of its name.
    bare: for a new column, the same without the constraints that need a look at every row; constraints: those, each by
    itself. deferred: Django sends it when all operations of the migration are done. readable: of SQL with placeholders,
    the same with parameters in their place.
    """

    sql: str
    changes: tuple[Change, ...] = ()
    online: str = ""
    attach: str = ""
    bare: str = ""
    constraints: tuple[Statement, ...] = ()
    deferred: bool = False
    readable: str = ""

    @property
    def text(self) -> str:
        """As PostgreSQL's parser reads it."""
        return self.readable or self.sql


class Step(NamedTuple):
    """One unit of a plan: journaled and undone as one.

    operation: its place in the migration, from 0. title: for people. transactional: False for CONCURRENTLY.
    undo: statements that bring back what was before. reason: why it runs in this phase.
    kept_in_place: why an operation that has an online way does not take it, where that is so.
    """

    migration: Key
    operation: int
    title: str
    phase: Phase
    statements: tuple[Statement, ...]
    locks: tuple[Lock, ...]
    reason: str
    transactional: bool = True
    undo: tuple[str, ...] = ()
    kept_in_place: str = ""
    rewrite: str = ""

    @property
    def changes(self) -> tuple[Change, ...]:
        return tuple(change for statement in self.statements for change in statement.changes)

    @property
    def sql(self) -> tuple[str, ...]:
        return tuple(statement.sql for statement in self.statements)


class MigrationPlan(NamedTuple):
    """One pending migration as steps, in the order they run.

    replaced: statements that Django will send in the migration's transaction, as text, each with what is sent there
    in its place (nothing, where all of it runs before or after).
    elsewhere: operations, or parts of them, that the project's routers keep away from this database.
    """

    migration: Key
    atomic: bool
    steps: tuple[Step, ...]
    new_tables: frozenset[str] = frozenset()
    replaced: tuple[tuple[str, tuple[str, ...]], ...] = ()
    elsewhere: tuple[Any, ...] = ()

    @property
    def is_elsewhere(self) -> bool:
        """Whether the project's routers keep all that it does away from this database."""
        return bool(self.elsewhere) and not any(step.statements for step in self.steps)

    def phase(self, phase: Phase) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if step.phase is phase)

    def sent(self, phase: Phase) -> tuple[Statement, ...]:
        return tuple(statement for step in self.phase(phase) for statement in step.statements)
