"""What to do about a statement that the server has refused, where the catalog knows more than the error says.

By SQLSTATE and by what the statement is about; never by the text of the error. What the catalog does not tell is left
to the general advice (``failures``).
"""

from __future__ import annotations

import contextlib

from django.db.backends.base.base import BaseDatabaseWrapper

from lockgate.errors import LockgateError
from lockgate.execution import failures
from lockgate.execution.progress import Progress
from lockgate.execution.remedies import names_taken, rights, what_depends
from lockgate.execution.remedies.remedy import Refused

_BY_SQLSTATE = {
    "0A000": what_depends.remedy,
    "2BP01": what_depends.remedy,
    "42501": rights.remedy,
    "42804": what_depends.default_remedy,
    "42P07": names_taken.remedy,
}


def add(connection: BaseDatabaseWrapper, error: BaseException, explained: LockgateError, progress: Progress) -> None:
    """Put what the catalog says into what is said of an error, on a session that is in no transaction.

    It takes the place of the general advice, where that was given. A session that is lost, or may not ask, leaves it.
    """
    sqlstate = failures.sqlstate_of(error)
    sought, general = _BY_SQLSTATE.get(sqlstate or ""), failures.next_step(sqlstate, lost=False)
    if sought is None or general not in explained.next_step:
        return
    with contextlib.suppress(Exception):
        remedy = sought(Refused(connection, progress))
        if remedy is not None:
            explained.why = f"{explained.why}\n{remedy.why}" if remedy.why else explained.why
            explained.next_step = explained.next_step.replace(general, remedy.next_step, 1)
