"""Tells the statements of SQL text apart, as PostgreSQL and psql do: the one lexer of ours.

It is for text that no parser need know: without the parser, of a newer server (what its pg_dump writes), or broken off.

Source: https://www.postgresql.org/docs/current/sql-syntax-lexical.html, and psql's own lexer (psqlscan.l) for where a
statement ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from lockgate.planning import sql_parser

_TOKEN = re.compile(
    r"""(?:\s++|--[^\n\r]*+)*+(?:
    (?P<comment>/\*)
    |(?P<dollar>\$(?:[^\W\d]\w*)?\$)
    |(?P<string>[eE]'(?:[^'\\]++|\\.|'')*+'|(?:[uU]&|[bBxXnN])?'(?:[^']++|'')*+')
    |(?P<quoted>"(?:[^"]++|"")*+")
    |(?P<word>[^\W\d][\w$]*)
    |(?P<number>\d[\w.]*)
    |(?P<symbol>::|:=|(?:(?!--|/\*)[-+*/<>=~!@#%^&|?])+|.))""",
    re.VERBOSE | re.DOTALL,
)


Token = tuple[str, int, int]
_TELLING = frozenset(["(", ")", "'", '"', "ATOMIC", "CASE", "END"])


class SqlStatement(NamedTuple):
    """One statement. tokens: words in capitals, everything else as written, blanks and comments left out."""

    tokens: tuple[str, ...]
    text: str = ""

    def starts(self, *words: str) -> bool:
        return self.tokens[: len(words)] == words

    def has(self, *words: str) -> bool:
        """Whether these tokens stand anywhere in it, one after the other."""
        return any(self.tokens[at : at + len(words)] == words for at in range(len(self.tokens)))

    def identifiers(self) -> list[str]:
        """Every word and quoted name of it, as the catalog would have it; keywords among them."""
        return [
            token[1:-1].replace('""', '"') if token.startswith('"') else token.lower()
            for token in self.tokens
            if token.startswith('"') or token[0].isalpha() or token[0] == "_"
        ]


def ends_transaction(statement: SqlStatement) -> bool:
    """Whether it ends the transaction that it runs in. Not one that goes back to a savepoint, nor what concerns a
    transaction that was prepared."""
    first, *rest = statement.tokens
    if statement.starts("PREPARE", "TRANSACTION"):
        return True
    if rest and rest[0] in ("WORK", "TRANSACTION"):
        del rest[0]
    return first in ("COMMIT", "END", "ROLLBACK", "ABORT") and not (rest and rest[0] in ("TO", "PREPARED"))


def begins_transaction(statement: SqlStatement) -> bool:
    return statement.starts("BEGIN") or statement.starts("START", "TRANSACTION")


def statements(text: str) -> list[SqlStatement]:
    """The statements of a text, as PostgreSQL's parser tells them apart; where there is none, as psql does."""
    parsed = sql_parser.parse(text)
    if parsed is None:
        return _split(text)
    told = (SqlStatement(tuple(part for part, _, _ in tokens(statement.text)), statement.text) for statement in parsed)
    return [statement for statement in told if statement.tokens]


def _split(text: str) -> list[SqlStatement]:
    split, begin = [], 0
    for token, ended in apart(text):
        said = token[:-1] if ended else token
        split.append(
            SqlStatement(tuple(part for part, _, _ in said), text[begin : token[-1][1] if ended else None].strip())
        )
        begin = token[-1][2]
    return [statement for statement in split if statement.tokens]


def apart(text: str) -> Iterator[tuple[list[Token], bool]]:
    """The tokens of each statement, and whether the last of them is the semicolon that ends it.

    What stands in quotes, dollars or parentheses, or in the body of an SQL function, is a part of its statement; what
    follows a quote without an end, too.
    """
    tokens_found: list[Token] = []
    nesting = _Nesting()
    for token in tokens(text):
        part = token[0]
        if part in _TELLING:
            nesting.take(part, tokens_found)
        tokens_found.append(token)
        if part == ";" and nesting.outermost:
            yield tokens_found, True
            tokens_found, nesting = [], _Nesting()
    if tokens_found:
        yield tokens_found, False


def without_literals(text: str) -> str:
    """The text for people, each constant in quotes or dollars as '…', and without comments: those may hold secrets.

    One that does not end goes to the end of the text.
    """
    parts: list[str] = []
    last = 0
    for part, start, end in tokens(text):
        if start > last:
            parts.append(" ")
        parts.append("'…'" if _is_literal(part) else text[start:end])
        last = end
        if part == "'":
            break
    return "".join(parts).strip()


def _is_literal(part: str) -> bool:
    return (part.startswith("$") and len(part) > 1) or ("'" in part and not part.startswith('"'))


class _Nesting:
    """Whether a statement has parentheses open (those of a rule hold statements), or the body of an SQL function, which
    goes from BEGIN ATOMIC to END, with each CASE and its END in it; or a quote that has no end."""

    def __init__(self) -> None:
        self._parentheses = self._bodies = 0
        self._unclosed = False

    @property
    def outermost(self) -> bool:
        return not (self._parentheses or self._bodies or self._unclosed)

    def take(self, part: str, before: list[Token]) -> None:
        """part: the next token. before: those of the statement that came before it."""
        last = before[-1][0] if before else ""
        if part in ("(", ")"):
            self._parentheses = max(0, self._parentheses + (1 if part == "(" else -1))
        elif part in ("'", '"'):
            self._unclosed = True
        elif last in (".", "AS"):
            return  # a name: what follows these may be any word
        elif part == "ATOMIC" and last == "BEGIN" and _makes_function([word for word, _, _ in before[:4]]):
            self._bodies = 1
        elif self._bodies and part in ("CASE", "END"):
            self._bodies += 1 if part == "CASE" else -1


def _makes_function(tokens: list[str]) -> bool:
    words = tokens[3:4] if tokens[1:3] == ["OR", "REPLACE"] else tokens[1:2]
    return tokens[:1] == ["CREATE"] and words in (["FUNCTION"], ["PROCEDURE"])


def tokens(text: str) -> Iterator[Token]:
    """Each part of a text with where it begins and ends; words in capitals, blanks and comments left out."""
    at = 0
    while match := _TOKEN.match(text, at):
        at = match.end()
        kind = match.lastgroup or ""
        part = match[kind]
        if kind == "comment":
            at = _end_of_comment(text, at)
        elif kind == "dollar":
            start, end = match.start(kind), text.find(part, at)
            at = len(text) if end < 0 else end + len(part)
            yield text[start:at], start, at
        else:
            yield part.upper() if kind == "word" else part, at - len(part), at


def _end_of_comment(text: str, at: int) -> int:
    """Where a block comment ends; they nest."""
    depth = 1
    for match in re.finditer(r"/\*|\*/", text[at:]):
        depth += 1 if match.group() == "/*" else -1
        if depth == 0:
            return at + match.end()
    return len(text)
