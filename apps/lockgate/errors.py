"""What can go wrong, as values that say WHAT, WHY, STATE and NEXT.

The message is the product: an exception's docstring is its default WHAT, and whoever raises it adds why it
happened, the state the database is in now, and the next thing to do. Only ``reporting.console`` prints one.

They are Django's ``CommandError``, which whoever calls a command from Python expects of one that failed. What runs
before Django (``boot``) raises none of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.core.management.base import CommandError

NOTHING_CHANGED = "nothing was changed"


class LockgateError(CommandError):
    """the run failed"""

    returncode = 1  # of the process that it ends

    def __init__(
        self,
        what: str | None = None,
        *,
        why: str = "",
        state: str = NOTHING_CHANGED,
        next_step: str = "",
    ) -> None:
        self.what = what or (type(self).__doc__ or "").strip()
        self.why = why
        self.state = state
        self.next_step = next_step
        self.operation = ""  # of a migration, and its statement, that failed: set where that is known
        self.statement = ""
        super().__init__(self.what, returncode=self.returncode)

    def __str__(self) -> str:
        parts = (self.what, self.why, self.state, self.next_step)
        return told(*parts, operation=self.operation, statement=self.statement)


def told(  # noqa: PLR0913  what there is to say
    what: str, why: str, state: str, next_step: str, *, operation: str = "", statement: str = ""
) -> str:
    """The parts that there are, one under the other."""
    parts = (("in", operation), ("sql", statement), ("why", why), ("state", state), ("next", next_step))
    lines = (f"  {label:<6} {indented(text)}" for label, text in parts if text)
    return "\n".join([indented(what), *lines])


def indented(text: str) -> str:
    """Continuation lines of a part, under its first one."""
    return text.strip().replace("\n", "\n         ")


class ConfigurationError(LockgateError):
    """the configuration is wrong"""


class WrongArgument(ConfigurationError):
    """an argument names something that does not exist, or leaves nothing to do"""

    returncode = 2


class RequestRefused(LockgateError):
    """this command is refused by Django"""


class OutputClosed(LockgateError):
    """the output was closed by its reader, so the command ended"""


class NobodyToAsk(LockgateError):
    """the command asks a question, and there is no terminal to answer it: run it in one, or with --noinput"""


class ServerUnreachable(LockgateError):
    """the database server did not become ready in time"""


class ServerRefused(LockgateError):
    """the database server refused this connection"""


class PoolerRefused(LockgateError):
    """the connection goes through a pooler in transaction mode"""


class LockNotAcquired(LockgateError):
    """another run held the migration lock for too long"""


class SessionLost(LockgateError):
    """the database session that holds the migration lock was lost"""


class AheadOfCode(LockgateError):
    """the database is ahead of this release"""


class EditedMigration(LockgateError):
    """a migration was edited after it was applied"""


class MigrationFailed(LockgateError):
    """a migration failed"""


class TransactionEnded(MigrationFailed):
    """a migration ended its own transaction"""


class RefusedAhead(MigrationFailed):
    """a migration would be refused by PostgreSQL, so nothing was prepared for it"""


class HookFailed(MigrationFailed):
    """a hook of transaction.on_commit() failed"""


class FailedBefore(LockgateError):
    """this release failed here before, and nothing has changed since"""


class LocksNotAcquired(LockgateError):
    """a migration could not get the locks it needs"""


class NotFinished(LockgateError):
    """a migration is applied but not finished"""


class MigrationsMissing(LockgateError):
    """migrations of this release are missing"""


class ReadRefused(LockgateError):
    """this role may not read the list of applied migrations"""

    def __init__(self, what: str | None = None, *, grants: Sequence[str] = (), why: str = "") -> None:
        self.grants = tuple(grants)
        told = " ".join(f"{grant};" for grant in self.grants)
        unknown = "let it read django_migrations and Lockgate's own tables" if why else ""
        super().__init__(what, why=why, next_step=f"as the owner of the tables:  {told}" if told else unknown)


class LedgerDamaged(LockgateError):
    """the tables of the ledger are not as its migrations have made them"""


class JournalUntrusted(LockgateError):
    """roles other than its owner could write the journal, and it has open steps that this run would execute"""


class LedgerRefused(LockgateError):
    """this role may not make the tables of the ledger, and without them nothing is migrated"""


class ManifestStale(LockgateError):
    """the manifest does not describe this project"""


class HeldTarget(LockgateError):
    """the migration asked for is held"""


class Interrupted(KeyboardInterrupt):
    """A signal asked the run to end.

    A KeyboardInterrupt, because psycopg cancels the statement in the server before it lets one pass, and
    because ``except Exception`` in a migration does not swallow it.
    """

    def __init__(self, signal_name: str) -> None:
        self.signal_name = signal_name
        self.state = NOTHING_CHANGED
        self.operation = self.statement = ""
        super().__init__(signal_name)
