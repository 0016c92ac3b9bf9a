"""What an error of the server says, without values of rows and without text of statements; bounded and visible.

DETAIL quotes the key that is there twice, or the whole row; CONTEXT and the excerpt that libpq adds quote statements
with their literals; and errors about data quote the datum. Whoever reads a log, or the ledger, need not be one who may
read the tables. What is left out is said, and shown where the settings allow it. Told by SQLSTATE and by the fields of
the error, never by its words: those are in the language of the server.
Source: https://www.postgresql.org/docs/current/protocol-error-fields.html
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import psycopg

from lockgate import configuration, foreign
from lockgate.errors import LockgateError
from lockgate.redaction import masked

# Classes of errors whose DETAIL is about objects, sessions or settings: what depends on what, who waits for whom.
_DETAILED = ("08", "0A", "25", "28", "2B", "3D", "3F", "40", "42", "53", "54", "55", "57", "58")
# Of class 22 (data), whose messages quote what they complain of, those that do not.
_NO_DATUM = ("22001", "22004", "22012")
_SYNTAX = "42601"  # quotes the token it stumbled over, which may be a literal
_LITERAL = re.compile("'[^']*'?")
LEFT_OUT = "its detail is not shown, for it may quote values of rows: LOCKGATE_SHOW_VALUES=true"


def of(error: BaseException) -> str:
    """What an error says, whoever raised it because of what the server said; without secrets.

    Ours says nothing foreign that was not masked where it was taken over.
    """
    said = retold(str(error).strip(), error)
    return foreign.part(said if isinstance(error, LockgateError) else masked(said))


def retold(text: str, error: BaseException, *, indent: str = "") -> str:
    """A text of some lines that quotes an error, and those that it came of: each as it may be shown, and bounded.

    indent: before each further line of an error.
    """
    told: dict[str, str] = {}
    for link in sorted(_chain(error), key=lambda one: not isinstance(one, psycopg.Error)):  # the others quote these
        own = str(link).strip()
        said = _replaced(own, told)
        bound = foreign.bounded if said == own else foreign.part  # what it quotes is bounded already
        shown = bound(_shown(link, said)).replace("\n", f"\n{indent}")
        told |= {said: shown, repr(said)[1:-1]: shown}
    return foreign.visible(_replaced(text, told))


def _replaced(text: str, told: dict[str, str]) -> str:
    for said, shown in told.items():
        text = text.replace(said, shown) if said else text
    return text


def values_allowed() -> bool:
    """Whether the settings or the environment allow values of rows in messages; where they cannot be read, no."""
    from django.conf import settings  # noqa: PLC0415  they may be what failed

    try:
        return configuration.resolve(getattr(settings, "LOCKGATE", {}), os.environ).show_values
    except Exception:
        return False


def _shown(error: BaseException, said: str) -> str:
    if isinstance(error, psycopg.Error) and error.sqlstate and not values_allowed():
        return masked(_told(error))
    return said if isinstance(error, LockgateError) else masked(said)


def _told(error: psycopg.Error) -> str:
    diag, sqlstate = error.diag, error.sqlstate or ""
    message = diag.message_primary or str(error).strip()
    quotes = sqlstate.startswith("22") and sqlstate not in _NO_DATUM
    message = _condition(error) if quotes else _LITERAL.sub("'…'", message) if sqlstate == _SYNTAX else message
    detail = f"DETAIL:  {diag.message_detail}" if diag.message_detail else ""
    if quotes or (detail and not sqlstate.startswith(_DETAILED)):
        detail = f"({LEFT_OUT})"
    hint = f"HINT:  {diag.message_hint}" if diag.message_hint else ""
    return "\n".join(filter(None, (message, _place(diag, message), detail, hint)))


def _place(diag: psycopg.errors.Diagnostic, message: str) -> str:
    """What the error is about, where its message does not say so."""
    named = (("table", diag.table_name), ("column", diag.column_name), ("constraint", diag.constraint_name))
    missing = [f'{kind} "{name}"' for kind, name in named if name and f'"{name}"' not in message]
    return f"in {', '.join(missing)}" if missing else ""


def _condition(error: psycopg.Error) -> str:
    """The name of the error's SQLSTATE, in words."""
    return re.sub(r"(?<!^)(?=[A-Z])", " ", type(error).__name__).lower()


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error, and all that it came of."""
    seen: set[int] = set()
    left = [error]
    while left:
        link = left.pop()
        if id(link) not in seen:
            seen.add(id(link))
            yield link
            left += [before for before in (link.__cause__, link.__context__) if before is not None]
