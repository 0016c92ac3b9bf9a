"""What the catalog knows to depend on a table, or on columns of it."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class DependentKind(StrEnum):
    """In the words of ``database/sql/survey.sql``, which finds them."""

    VIEW = "view"
    MATERIALIZED_VIEW = "materialized view"
    RULE = "rule"
    GENERATED_COLUMN = "generated column"
    POLICY = "policy"
    FUNCTION = "function"
    TRIGGER = "trigger"
    TRIGGER_FUNCTION = "trigger's function"
    PUBLICATION = "publication"
    PUBLICATION_COLUMNS = "publication's columns or filter"
    SUBSCRIPTION = "subscription"
    REPLICA_IDENTITY = "replica identity"
    FOREIGN_KEY = "foreign key"
    STATISTICS = "statistics"
    CHILD_TABLE = "child table"
    PARENT_TABLE = "parent table"
    PARTITIONED_PARENT = "partitioned parent"
    PARTITION_KEY = "partition key"
    ROW_TYPE_COLUMN = "column of its row type"
    DEFAULT = "default"
    FOREIGN_TABLE = "foreign table"
    VIEW_ITSELF = "the view itself"


class Dependent(NamedTuple):
    """table: as plans call it. name: as SQL names it. columns: those of the table that it uses.

    Of a publication those that it is limited to. own: it is a part of the table, and goes with it. rests_on: the
    table's index that it needs; of a publication, whether rows that it publishes need
    an identity. of, bare: the table that it is a part of, and its name there.
    """

    table: str
    kind: DependentKind
    name: str
    columns: tuple[str, ...] = ()
    own: bool = False
    rests_on: str = ""
    of: str = ""
    bare: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"
