"""How a text that is sent outside of any transaction may wait for its locks.

PostgreSQL makes one transaction of a text, so one that got no lock has done nothing and may be sent again; unless it
commits by itself. What is not known is taken for what asks for a strong lock.
Source: https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-MULTI-STATEMENT
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum

from lockgate.planning import lock_levels, sql_statements
from lockgate.planning.sql_statements import SqlStatement
from lockgate.planning.steps import Change, Kind

COMMITS = "it commits by itself, so it cannot be tried again"
# What a DO block commits with; a procedure that it calls may do so too. EXECUTE cannot.
# Source: https://www.postgresql.org/docs/current/plpgsql-transactions.html
_COMMITS_INSIDE = re.compile(r"commit|rollback|\bcall\b", re.IGNORECASE)
# Each table in a transaction of its own. Of tables that they name a second time does no harm.
_PIECEMEAL = frozenset({"VACUUM", "CLUSTER", "REINDEX"})
_UNKNOWN = frozenset({Kind.UNKNOWN, Kind.EXTENSION})


class Waiting(StrEnum):
    LETS_PASS = "lets others pass"  # noqa: S105  whatever it waits for, reads and writes do not wait behind it
    TRIED = "tried again and again"  # for moments
    IN_FRONT = "in front of others"  # once, as long as it takes


def of(text: str, changes: Iterable[Change]) -> Waiting:
    """changes: what the text is known to change."""
    changes = tuple(changes)
    unknown = is_unknown(changes)
    statements = sql_statements.statements(text)
    if unknown and any(statement.has("CONCURRENTLY") for statement in statements):
        return Waiting.LETS_PASS  # such a statement is alone in its text
    if not unknown and not any(map(_is_strong, changes)):
        return Waiting.LETS_PASS
    return Waiting.IN_FRONT if any(_commits(statement, unknown=unknown) for statement in statements) else Waiting.TRIED


def is_unknown(changes: Iterable[Change]) -> bool:
    """Whether any lock may be among theirs."""
    return any(change.kind in _UNKNOWN for change in changes)


def _is_strong(change: Change) -> bool:
    """Whether reads or writes of others wait for it; an index whose table is not known is some table's."""
    named = change if change.table else change._replace(table="?")
    return not change.concurrently and any(lock.mode.blocks_writes for lock in lock_levels.of(named))


def _commits(statement: SqlStatement, *, unknown: bool) -> bool:
    """Whether a part of it may be there to stay when another part fails, and must not be done twice."""
    if statement.starts("DO"):
        return bool(_COMMITS_INSIDE.search(statement.text))
    controls = sql_statements.ends_transaction(statement) or sql_statements.begins_transaction(statement)
    return controls or statement.starts("CALL") or (unknown and statement.tokens[0] in _PIECEMEAL)
