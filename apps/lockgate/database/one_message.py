"""Several statements in one message, which cost one round trip, as a question of several parts would.

A message is one simple query of PostgreSQL's protocol. Outside of a transaction its statements are one transaction, so
what one sets for that (``SET LOCAL``) holds for those after it; each looks at what is committed as it begins, unless
the session's isolation level is another. Where one fails, nothing of what the others changed stays.
Source: https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-MULTI-STATEMENT
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import JsonbLoader

from lockgate.database.sql import read

Rows = list[dict[str, Any]]


class Question(NamedTuple):
    """A file of ``database.sql``. values: of its parameters, by name; in their order where they are ``$1``, ``$2`` …"""

    name: str
    values: Mapping[str, Any] | Sequence[Any] | None = None

    def given(self, **more: Any) -> Question:
        """With more values, by name."""
        assert not isinstance(self.values, Sequence)  # noqa: S101  those have no names
        return self._replace(values={**(self.values or {}), **more})

    def text(self, cursor: psycopg.ClientCursor[Any]) -> str:
        """The statement with its values in it."""
        statement = read(self.name)
        if self.values is None or isinstance(self.values, Mapping):
            return cursor.mogrify(statement, self.values)
        literals = [sql.Literal(value).as_string(cursor) for value in self.values]
        said = "\n".join(line for line in statement.splitlines() if not line.startswith("--"))
        return re.sub(r"\$(\d+)", lambda match: literals[int(match[1]) - 1], said)


def ask(opened: psycopg.Connection[Any], *questions: Question) -> list[Rows]:
    """The rows that each answered with. Raises psycopg.Error, for the first that fails."""
    cursor = psycopg.ClientCursor(opened, row_factory=dict_row)
    cursor.adapters.register_loader("jsonb", JsonbLoader)  # Django has its connections hand JSON out as text
    with cursor:
        cursor.execute("\n".join(question.text(cursor) for question in questions))
        answers = [cursor.fetchall()]
        while cursor.nextset():
            answers.append(cursor.fetchall())
    return answers
