"""Turns whatever went wrong in a run into WHAT, WHY, STATE and NEXT.

What to do next is looked up by SQLSTATE. The state of the database is what is known: a lost connection during a
commit leaves it unknown, and that is what is said.
"""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

import django
import psycopg
from django.db.utils import Error as DatabaseError

import lockgate
from lockgate import foreign
from lockgate.database import server_messages
from lockgate.errors import NOTHING_CHANGED, LockgateError, MigrationFailed
from lockgate.execution.progress import Progress
from lockgate.facts import Key
from lockgate.redaction import masked

_LIBRARIES = tuple(
    str(Path(module.__file__).parent) for module in (django, psycopg, lockgate, importlib) if module.__file__
)

LOCK_NOT_AVAILABLE = "55P03"

# By SQLSTATE, most specific first. Source: https://www.postgresql.org/docs/current/errcodes-appendix.html
_NEXT = (
    (
        "42501",
        "grant the role what it lacks, for example:  GRANT USAGE, CREATE ON SCHEMA public TO …;  then run again",
    ),
    ("23505", "remove or merge the duplicate rows, and run again"),
    ("23502", "fill the rows that are NULL, and run again"),
    ("23503", "remove or repair the rows whose reference is missing, and run again"),
    ("23514", "repair the rows that violate the check, and run again"),
    (
        "25001",
        "set atomic = False in the migration, move everything else into another migration, and run again",
    ),
    # A run's session has none of these from a role, a database or the server (``database.parameters``).
    ("25P03", "take out the idle_in_transaction_session_timeout that the migration's own code sets, and run again"),
    ("25P04", "take out the transaction_timeout that the migration's own code sets, and run again"),
    (
        "57P05",
        "take out the idle_session_timeout that the migration's own code sets (behind a pooler the role's holds "
        "until it is known that there is work, and for commands that only read), and run again",
    ),
    (
        "55006",
        "split the migration: change rows in the first, alter their table in the second; then run again",
    ),
    ("25006", "connect to a server that accepts writes, and run again"),
    ("25P02", "an earlier statement of the migration failed and its error was swallowed; let it raise"),
    ("40P01", "run again; if it recurs, split the migration so that it locks one table at a time"),
    ("53100", "free space on the server's disk, and run again"),
    ("53", "relieve the server (its log says of what), and run again"),
    (LOCK_NOT_AVAILABLE, "end the session that holds the lock, or run again at a quieter time"),
    (
        "57014",
        "run again if somebody cancelled it; or take out the statement_timeout that the migration's own code sets "
        "(migrate ignores the role's; it limits only commands that read)",
    ),
    ("57P", "the server was restarted, or ended this session; run again when it accepts connections"),
    ("08", "the connection was lost, or closed by the migration's own code; run again when the server is reachable"),
    (
        "42P07",
        "an object of that name exists that no recorded migration made. Compare it with the migration: if it differs "
        "or is an invalid index, drop it and run again; if it is identical, record the migration with --fake",
    ),
    ("42", "correct the migration, and run again"),
)
# What the server says as it ends a session: its own end, somebody's order, or a timeout of idle or long transactions.
_ENDS_THE_SESSION = ("08", "57P", "25P03", "25P04")
# What the server refuses whoever asks: its remedy is the same outside a migration as in one.
_OF_THE_SERVER = ("25006", "25P03", "25P04", "42501", "40", "53", "55", "57")
_OUTSIDE = "correct what failed (a pre_migrate or post_migrate receiver, most likely), and run again"
_WHICH_INVALID = "SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid;"
_RUN_AGAIN = "correct the cause, and run again"


def explain(error: BaseException, progress: Progress) -> LockgateError:
    """The error to show for one that ended a run; one that explains itself already only learns its state."""
    sqlstate = sqlstate_of(error)
    if isinstance(error, LockgateError):
        if error.state in ("", NOTHING_CHANGED):
            error.state = state_of(progress)
        _name_the_operation(error, progress, of_the_server=sqlstate is not None)
        return error
    lost = connection_lost(error, sqlstate)
    between = progress.current is None and not lost and not (sqlstate or "").startswith(_OF_THE_SERVER)
    failed = MigrationFailed(
        _what(progress),
        why=why(error, sqlstate),
        state=state_of(progress),
        next_step=_OUTSIDE if between else next_step(sqlstate, lost=lost),
    )
    if progress.invalid:
        after = "run again" if sqlstate == "42P07" else failed.next_step
        drops = "  ".join(index.drop for index in progress.invalid)
        failed.next_step = f"drop what is left invalid:  {drops}\nthen {after}"
    if progress.pid is not None:
        failed.next_step += (
            f"\nit holds the lock until it ends; to end it:  SELECT pg_terminate_backend({progress.pid});"
        )
    failed.__cause__ = error
    _name_the_operation(failed, progress, of_the_server=sqlstate is not None or isinstance(error, DatabaseError))
    return failed


def _what(progress: Progress) -> str:
    if progress.current:
        return f"{progress.current} failed"
    if progress.committed:
        return f"the run failed after {progress.committed} was committed"
    return "the run failed outside any migration"


def _name_the_operation(error: LockgateError, progress: Progress, *, of_the_server: bool) -> None:
    """The operation that failed; and the statement, where it is the server that refused."""
    error.operation = error.operation or progress.operation
    if of_the_server or progress.transaction_ended:
        error.statement = error.statement or progress.statement


def why(error: BaseException, sqlstate: str | None) -> str:
    """The error's own words, without secrets, with its SQLSTATE or the place in the project's code that raised it."""
    text = server_messages.of(error) or type(error).__name__
    if sqlstate:
        return f"{text} (SQLSTATE {sqlstate})"
    if isinstance(error, DatabaseError):
        return text
    if isinstance(error, SystemExit):
        return f"its code called sys.exit({foreign.bounded(masked(repr(error.code)))}){_place(error)}"
    if isinstance(error, SyntaxError) and error.filename:
        return (
            f'{type(error).__name__}: {foreign.bounded(masked(error.msg))}\nin "{error.filename}", line {error.lineno}'
        )
    return f"{type(error).__name__}: {text}{_place(error)}"


def state_of(progress: Progress) -> str:
    """What the database looks like now, as far as it is known."""
    parts = [_of_current(progress, progress.current)] if progress.current else []
    parts += _of_lost(progress)
    parts += [f"an index is left invalid: {index} ({index.drop})" for index in progress.invalid]
    if progress.invalid_unknown:
        parts.append(f"whether an index is left invalid is unknown: {_WHICH_INVALID}")
    if progress.remaining:
        parts.append(progress.remaining)
    if progress.current or progress.done or progress.remaining or progress.taken_back:
        return "; ".join([*parts, f"done before it in this run: {_listed([key for key, _ in progress.done])}"])
    return "no migration was applied by this run"


def _of_current(progress: Progress, current: Key) -> str:
    recorded = "whether it is recorded is unknown" if progress.unknown else "it is not recorded"
    if progress.transaction_ended:
        return f"{current} ended its own transaction: what of it is committed is unknown; {recorded}"
    if not progress.current_is_atomic:
        return (
            f"{current} is not atomic: the operations before the one that failed stay; {recorded}, "
            "and the next run carries on after them"
        )
    if progress.along and progress.unknown:
        last = progress.along[-1]
        return f"{current} to {last}: each was rolled back by the server, or committed whole if it got that far"
    if progress.lost and progress.operation and progress.runs_code:
        return f"{current}: rolled back by the server, but for what its code had committed before"
    if progress.unknown:
        return f"{current}: rolled back by the server, or committed whole if it got that far"
    return f"{current} was rolled back"


def _of_lost(progress: Progress) -> Iterator[str]:
    """What another session says, or could not say, of what the lost one was about."""
    step = progress.under_way
    if progress.lost and step is not None:
        if step.done:
            yield f"done: {step.title}"
        elif progress.unknown:
            yield f"how far it came is unknown: {step.title}"
        elif step.transactional:
            yield f"rolled back: {step.title}"
        else:
            yield f"broken off, and what it did outside a transaction stays: {step.title}"
    if progress.doubt:
        yield progress.doubt
    if progress.taken_back:
        yield f"taken back by a crash of the server: {_listed(progress.taken_back)}"


def sqlstate_of(error: BaseException | None) -> str | None:
    """The SQLSTATE behind a Django or psycopg error; None where the server sent none."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:  # causes and contexts together can go round in a circle
        seen.add(id(error))
        if isinstance(error, psycopg.Error) and error.sqlstate:
            return error.sqlstate
        # Django raises MigrationSchemaMissing without naming its cause.
        error = error.__cause__ or (error.__context__ if isinstance(error, DatabaseError) else None)
    return None


def connection_lost(error: BaseException, sqlstate: str | None) -> bool:
    if sqlstate:
        return sqlstate.startswith(_ENDS_THE_SESSION)
    cause = error.__cause__ if isinstance(error, DatabaseError) else error
    return isinstance(cause, psycopg.OperationalError)


def next_step(sqlstate: str | None, *, lost: bool) -> str:
    for prefix, advice in _NEXT:
        if sqlstate and sqlstate.startswith(prefix):
            return advice
    return dict(_NEXT)["08"] if lost else _RUN_AGAIN


def _listed(keys: Sequence[Key]) -> str:
    if not keys:
        return "nothing"
    return str(keys[0]) if len(keys) == 1 else f"{len(keys)} migrations, the last of them {keys[-1]}"


def is_of_a_library(path: str) -> bool:
    """Whether a frame's file is Django's, psycopg's, ours or nobody's, and no migration."""
    return path.startswith((*_LIBRARIES, "<")) and "/migrations/0" not in path


def _place(error: BaseException) -> str:
    """File and line of the innermost frame outside the libraries: the migration's own code, most likely.

    Frames without a file (``<frozen importlib._bootstrap>``) are nobody's code.
    """
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if not is_of_a_library(frame.filename)]
    return f'\nin "{own[-1].filename}", line {own[-1].lineno}, in {own[-1].name}' if own else ""
