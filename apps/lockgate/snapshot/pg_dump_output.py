"""pg_dump's output as statements that load through any client, in one transaction, and leave no setting behind.

What names roles or tablespaces is not for another server: privileges, owners other than the dumping role, places. It is
handed back as "unkept", so that whoever builds a snapshot can say that it would lack something.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from lockgate.planning import sql_statements

# What the dump says about how it is to be read, and what would be in force for the rest of the transaction only.
_KEPT_SETTINGS = frozenset(
    ["check_function_bodies", "default_table_access_method", "row_security", "standard_conforming_strings", "xmloption"]
)
_SETTING = re.compile(r"SET (\w+) = (.*);\Z")
_SEARCH_PATH = "SELECT pg_catalog.set_config('search_path', '', false);"
_OWNER = re.compile(r'ALTER [A-Z]+ .* OWNER TO ("(?:[^"]|"")+"|[\w$]+);\Z', re.DOTALL)
_OF_ONE_SERVER = (
    *("GRANT ", "REVOKE ", "ALTER DEFAULT PRIVILEGES ", "SET SESSION AUTHORIZATION "),
    *("CREATE SERVER ", "CREATE USER MAPPING ", "CREATE SUBSCRIPTION "),  # other servers, and passwords for them
)
# A count that some builds of PostgreSQL keep of a column's changes, and a newer pg_dump tells: no migration makes it,
# and two replays need not agree in it.
BOOKKEEPING = r"ALTER TABLE .* SET \(pg_attver=\d+\);"
_BOOKKEEPING = re.compile(rf"{BOOKKEEPING}\Z")
# The dump puts large objects between these; here all of it is one transaction already.
_TRANSACTIONS = ("BEGIN;", "COMMIT;")

READ = 1 << 16  # characters that are read at once
_LITERAL = ("INSERT ", "COMMENT ")  # what they say is data
_CAST_ARRAY = re.compile(r"(\(ARRAY\[(?:'(?:[^']|'')*'::character varying(?:, )?)+\]\))::text\[\]")
_BODY = re.compile(r"CREATE (?:OR REPLACE )?(?:FUNCTION|PROCEDURE) ")


@dataclass
class Cleaned:
    """role: who dumped. unkept: statements that were left out although migrations meant them."""

    role: str
    unkept: list[str] = field(default_factory=list)

    def statements(self, lines: Iterable[str]) -> Iterator[str]:
        """What is to be loaded, statement by statement."""
        for statement in split(lines):
            if kept := self._kept(statement):
                yield kept

    def _kept(self, statement: str) -> str | None:
        if statement == _SEARCH_PATH:
            return _SEARCH_PATH.replace("false", "true")
        if setting := _SETTING.match(statement):
            return self._setting(setting[1], setting[2], statement)
        if _BOOKKEEPING.match(statement):
            return None
        if statement in _TRANSACTIONS or statement.startswith("COMMENT ON EXTENSION "):
            return None  # an extension's creation sets its comment, and changing that takes its owner
        if statement.startswith(_OF_ONE_SERVER) or self._belongs_to_another(statement):
            self.unkept.append(statement)
            return None
        return None if _OWNER.match(statement) else _as_it_was(statement)

    def _setting(self, name: str, value: str, statement: str) -> str | None:
        if name == "default_tablespace" and value != "''":
            self.unkept.append(statement)
        return f"SET LOCAL {name} = {value};" if name in _KEPT_SETTINGS else None

    def _belongs_to_another(self, statement: str) -> bool:
        owner = _OWNER.match(statement)
        return owner is not None and owner[1] not in (self.role, f'"{self.role}"')


def _as_it_was(statement: str) -> str:
    """The statement, such that dumping what it makes gives the same text again.

    PostgreSQL writes ``kind IN ('a', 'b')`` down as a cast of an array, and reads that as an array of casts: equal in
    effect, and another constraint to whoever compares. A cast between keeps the outer one where it is.
    """
    if statement.startswith(_LITERAL) or _BODY.match(statement):
        return statement
    return _CAST_ARRAY.sub(r"(\1::character varying[])::text[]", statement)


def split(lines: Iterable[str]) -> Iterator[str]:
    """The statements of a plain dump, without what stands between them: comments, and commands of psql.

    Some of it is read at a time. What has no end yet is read again with what follows.
    """
    held: list[str] = []
    size, enough = 0, READ
    for line in lines:
        held.append(line)
        size += len(line)
        if size < enough:
            continue
        text, end = "".join(held), 0
        for statement, end in _whole(text):  # noqa: B007  where the last one ended is used after them
            yield statement
        held, size = [text[end:]], len(text) - end
        enough = max(READ, 2 * size)
    yield from (statement for statement, _ in _whole("".join(held), to_the_end=True))


def _whole(text: str, *, to_the_end: bool = False) -> Iterator[tuple[str, int]]:
    """Each statement of a text that has its semicolon, and where that is. to_the_end: the last need not have one."""
    for tokens, ended in sql_statements.apart(text):
        begin = _begin(text, tokens)
        if begin is not None and (ended or to_the_end):
            yield text[begin : tokens[-1][2]].strip(), tokens[-1][2]


def _begin(text: str, tokens: Iterable[sql_statements.Token]) -> int | None:
    """Where a statement begins: after the lines that are for psql."""
    at = 0
    for part, start, _ in tokens:
        if start >= at:
            if part != "\\":
                return start
            at = text.find("\n", start) + 1 or len(text)
    return None
