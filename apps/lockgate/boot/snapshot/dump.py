"""pg_dump's output as statements that load through any client, in one transaction, and leave no setting behind.

What names roles or tablespaces is not for another server: privileges, owners other than the dumping role, places. It is
handed back as "unkept", so that whoever builds a snapshot can say that it would lack something.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

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

_TOKEN = re.compile(
    r"(?P<escaped>[eE]')|(?P<string>')|(?P<name>\")|(?P<dollar>\$(?:[^\W\d]\w*)?\$)|(?P<comment>/\*)|(?P<line>--)"
    r"|(?P<open>\()|(?P<close>\))|(?P<end>;)|(?P<word>[^\W\d][\w$]*)"
)
_CLOSING = {
    "escaped": re.compile(r"\\.|''|'", re.DOTALL),
    "string": re.compile(r"''|'"),
    "name": re.compile(r"\"\"|\""),
    "comment": re.compile(r"/\*|\*/"),
}
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

    A statement ends with a semicolon outside quotes, comments, parentheses and ``BEGIN ATOMIC … END``.
    """
    reader = _Reader()
    statement: list[str] = []
    for line in lines:
        if not statement and (not line.strip() or line.startswith(("--", "\\"))):
            continue
        statement.append(line)
        if reader.ends(line):
            yield "".join(statement).strip()
            statement = []
            reader = _Reader()
    if statement:
        yield "".join(statement).strip()


@dataclass
class _Reader:
    """Where one is in a statement. within: the kind of quote or comment that is open, and what ends it."""

    within: str = ""
    ending: re.Pattern[str] | None = None
    nested: int = 0
    parentheses: int = 0
    blocks: int = 0
    word: str = ""
    has_body: bool | None = None

    def ends(self, line: str) -> bool:
        """Whether this line is the statement's last one; pg_dump begins each on a line of its own."""
        if self.has_body is None:
            self.has_body = _BODY.match(line) is not None
        at, ended = 0, False
        while at < len(line):
            if self.ending is not None:
                at = self._close(line, at)
                continue
            found = _TOKEN.search(line, at)
            if found is None or found.lastgroup == "line":
                break
            at = found.end()
            ended = self._take(found.lastgroup or "", found.group())
        return ended and self.ending is None

    def _close(self, line: str, at: int) -> int:
        assert self.ending is not None  # noqa: S101
        found = self.ending.search(line, at)
        if found is None:
            return len(line)
        if self.within == "comment":
            self.nested += 1 if found.group() == "/*" else -1
        if len(found.group()) == 1 or self.within == "dollar" or (self.within == "comment" and not self.nested):
            self.within, self.ending = "", None
        return found.end()

    def _take(self, kind: str, text: str) -> bool:
        """Whether the statement ends here."""
        if kind == "open":
            self.parentheses += 1
        elif kind == "close":
            self.parentheses -= 1
        elif kind == "word":
            self._count(text.upper())
        elif kind == "end":
            return self.parentheses == 0 and self.blocks == 0
        else:
            self.within, self.nested = kind, 1
            self.ending = re.compile(re.escape(text)) if kind == "dollar" else _CLOSING[kind]
        return False

    def _count(self, word: str) -> None:
        """The blocks of a function whose body is SQL: BEGIN ATOMIC … END, and CASE … END in it."""
        if self.has_body:
            if (self.word, word) == ("BEGIN", "ATOMIC") or (word == "CASE" and self.blocks):
                self.blocks += 1
            elif word == "END" and self.blocks:
                self.blocks -= 1
        self.word = word
