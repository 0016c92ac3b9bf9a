"""Template databases: made once for a state of the code, kept on the server, found by that state's digest.

A template has what ``migrate --run-syncdb`` makes, post_migrate aside: each copy gets that from its own ``migrate``. It
is made under a lock, in a database of another name, so that one of the right name is whole whoever was killed, and
workers that start together make it once. A few are kept, because people change branches.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
from django.conf import settings
from django.core.management import call_command
from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader
from psycopg import sql

from lockgate import configuration, django_seams, policy
from lockgate.database import polling, scratch, server_messages, session
from lockgate.facts import Key
from lockgate.gate import snapshot_choice
from lockgate.snapshot import load
from lockgate.snapshot.compatibility import Release
from lockgate.testing import contents

Say = Callable[[str], None]

_PREFIX = "test_lockgate"  # Django's prefix first: migrate knows a test runner's database by it


def find(connection: BaseDatabaseWrapper, say: Say, *, keepdb: bool) -> str | None:
    """The name of the template for this code, made now where there is none; None, said why, where there cannot be one.

    None without a word where no database is to be created: it is kept, and there.
    """
    why = _unsuitable(connection)
    if not why:
        try:
            with scratch.maintenance(connection.alias) as admin:
                if keepdb and _exists(admin, connection.creation.test_db_signature()[-1]):
                    return None
                return _ensure(connection, admin, say)
        except contents.Unknowable as error:
            why = str(error)
        except Exception as error:  # a migration may do anything; creating the database itself will show it whole
            why = f"{type(error).__name__}: {server_messages.of(error)}"
    say(f"The test database for alias '{connection.alias}' is not copied from a template: {why}")
    return None


def _unsuitable(connection: BaseDatabaseWrapper) -> str:
    test = connection.settings_dict["TEST"]
    if test.get("TEMPLATE"):
        return f"TEST['TEMPLATE'] names one already, {test['TEMPLATE']}"
    if test.get("MIGRATE") is False:
        return "TEST['MIGRATE'] is False"
    return ""


def _ensure(connection: BaseDatabaseWrapper, admin: psycopg.Connection[Any], say: Say) -> str:
    family = f"{_PREFIX}_{_project(connection)}"
    name = f"{family}_{contents.digest(connection)[:16]}"
    with _alone(admin, family):
        if not _exists(admin, name):
            say(f"Creating template '{name}' for test databases of alias '{connection.alias}'...")
            _make(connection, admin, name)
        _note_use(admin, name)
        _drop_old(admin, family)
    return name


def _project(connection: BaseDatabaseWrapper) -> str:
    """What templates of one project have in common: its settings, its database and the alias."""
    named = f"{settings.SETTINGS_MODULE} {connection.settings_dict['NAME']} {connection.alias}"
    return hashlib.sha256(named.encode()).hexdigest()[:8]


@contextlib.contextmanager
def _alone(admin: psycopg.Connection[Any], family: str) -> Iterator[None]:
    """Hold the lock of a project's templates. Polled: a session that waits in the server holds a snapshot there.

    Raises TimeoutError.
    """
    key = int.from_bytes(hashlib.sha256(family.encode()).digest()[:8], signed=True)
    for _ in polling.until(time.monotonic() + policy.TEST_TEMPLATE_WAIT.total_seconds()):
        row = admin.execute("SELECT pg_catalog.pg_try_advisory_lock(%s)", [key]).fetchone()
        if row and row[0]:
            break
    else:
        raise TimeoutError("another process has been making it for too long")
    try:
        yield
    finally:
        admin.execute("SELECT pg_catalog.pg_advisory_unlock(%s)", [key])


def _make(connection: BaseDatabaseWrapper, admin: psycopg.Connection[Any], name: str) -> None:
    """Under another name until it is whole; what a killed process left of that name is in the way, and goes."""
    unfinished = f"{name}_new"
    _drop(admin, unfinished)
    charset = connection.settings_dict["TEST"]["CHARSET"]
    encoding = sql.SQL(" ENCODING {}").format(sql.Literal(charset)) if charset else sql.SQL("")
    admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(unfinished)) + encoding)
    try:
        with scratch.aimed(connection.alias, {"NAME": unfinished}):
            _fill(connection)
        # Nobody may be connected to what is copied, not even for a look.
        admin.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(unfinished)))
        admin.execute(
            sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(unfinished), sql.Identifier(name))
        )
    except BaseException:
        _drop(admin, unfinished)
        raise


def _fill(connection: BaseDatabaseWrapper) -> None:
    """What Django's test runner would have ``migrate`` make, from the snapshot as far as that goes."""
    connection.ensure_connection()
    path = load.place(configuration.in_force())
    if path is not None and path.exists():
        loader = MigrationLoader(connection)
        release = Release({Key(*key): migration for key, migration in loader.disk_migrations.items()}, loader.graph)
        snapshot = snapshot_choice.chosen_from(path, release, connection, session.server_facts(connection))
        if not isinstance(snapshot, str):
            with transaction.atomic(using=connection.alias):
                snapshot.load(connection)
    with django_seams.without_post_migrate():
        call_command("migrate", verbosity=0, interactive=False, database=connection.alias, run_syncdb=True)


def _note_use(admin: psycopg.Connection[Any], name: str) -> None:
    used = datetime.now(UTC).isoformat(timespec="microseconds")  # two runs may use two within a second
    statement = sql.SQL("COMMENT ON DATABASE {} IS {}")
    admin.execute(statement.format(sql.Identifier(name), sql.Literal(f"{used} last use of this test template")))


def _drop_old(admin: psycopg.Connection[Any], family: str) -> None:
    """All but those used last, and what killed processes left: whoever makes one now would hold the lock."""
    query = """
        SELECT datname, coalesce(pg_catalog.shobj_description(oid, 'pg_database'), '')
        FROM pg_catalog.pg_database WHERE datname LIKE %s::pg_catalog.text
    """
    pattern = family.replace("_", r"\_") + r"\_%"
    templates = sorted(admin.execute(query, [pattern]).fetchall(), key=lambda row: row[1], reverse=True)
    unfinished = [name for name, _ in templates if name.endswith("_new")]
    whole = [name for name, _ in templates if not name.endswith("_new")]
    for name in (*unfinished, *whole[policy.TEST_TEMPLATES :]):
        with contextlib.suppress(psycopg.errors.ObjectInUse):  # it is being copied just now
            _drop(admin, name)


def _exists(admin: psycopg.Connection[Any], name: str) -> bool:
    return admin.execute("SELECT FROM pg_catalog.pg_database WHERE datname = %s", [name]).fetchone() is not None


def _drop(admin: psycopg.Connection[Any], name: str) -> None:
    admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
