"""What a remedy is made from, and what it is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper

from lockgate.execution.progress import Progress
from lockgate.planning import sql_changes, sql_statements
from lockgate.planning.sql_statements import SqlStatement
from lockgate.planning.steps import Change


class Remedy(NamedTuple):
    """why: what the catalog adds to the server's words."""

    why: str
    next_step: str


@dataclass(frozen=True)
class Refused:
    """The SQL that the server has refused: one statement, or several that were sent together."""

    connection: BaseDatabaseWrapper
    progress: Progress

    @cached_property
    def statements(self) -> list[SqlStatement]:
        return sql_statements.statements(self.progress.sql)

    @cached_property
    def changes(self) -> list[Change]:
        return [change for statement in self.statements for change in sql_changes.known(statement.text)]

    @cached_property
    def of_bare_names(self) -> list[Change]:
        """Those of statements that name no schema: a change has none, and the search path may find another table."""
        bare = (statement for statement in self.statements if "." not in statement.tokens)
        return [change for statement in bare for change in sql_changes.known(statement.text)]
