"""The pg_dump that is taken: one that can read the server, and the oldest of those."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from psycopg import conninfo, pq

from lockgate.database import pg_tools
from lockgate.database.pg_tools import ProgramMissing
from lockgate.errors import LockgateError


def program(folder: Path, version: str) -> Path:
    folder.mkdir()
    path = folder / "pg_dump"
    path.write_text(f"#!/bin/sh\necho 'pg_dump (PostgreSQL) {version}'\n")
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def _no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pg_tools, "wheel", lambda: None)


def test_one_of_the_servers_version_or_newer_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = program(tmp_path / "bin", "17.2 (Debian 17.2-1)")
    monkeypatch.setenv("PATH", str(path.parent))
    assert pg_tools.pg_dump(17) == path
    assert pg_tools.pg_dump(16) == path


def test_an_older_one_is_refused_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = program(tmp_path / "bin", "15.18")
    monkeypatch.setenv("PATH", str(path.parent))
    with pytest.raises(ProgramMissing) as error:
        pg_tools.pg_dump(16)
    assert f"{path} is of version 15" in error.value.why
    assert "postgresql-client-16" in error.value.next_step


def test_none_at_all_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProgramMissing) as error:
        pg_tools.pg_dump(16)
    assert "there is none on the PATH" in error.value.why


RECORDING = """#!/bin/sh
printf '%s\\n' "$@" > "$0.arguments"
env > "$0.environment"
if [ -n "$PGSERVICEFILE" ]; then cat "$PGSERVICEFILE" > "$0.service"; stat -c %a "$PGSERVICEFILE" > "$0.mode"; fi
"""
LOGIN = {"host": "db", "user": "me", "dbname": "shop"}


def dumped(folder: Path, monkeypatch: pytest.MonkeyPatch, **parameters: Any) -> dict[str, str]:
    """What a pg_dump is given: its arguments, environment, service file, and the file's mode."""
    program = folder / "pg_dump"
    program.write_text(RECORDING)
    program.chmod(0o755)
    connection = connections["default"].copy()
    monkeypatch.setattr(connection, "get_connection_params", lambda: {**LOGIN, **parameters})
    pg_tools.dump(program, connection, folder / "dump.sql")
    return {path.suffix[1:]: path.read_text() for path in folder.glob("pg_dump.*")}


def test_no_secret_is_among_the_arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every user of a machine may list the arguments of all processes."""
    found = dumped(tmp_path, monkeypatch, password="quagga", sslpassword="zorilla", passfile="/run/wombat")
    assert "user=me" in found["arguments"]
    assert not [word for word in ("quagga", "zorilla", "wombat") if word in found["arguments"]]
    assert "PGPASSWORD=quagga\n" in found["environment"]
    assert "PGPASSFILE=/run/wombat\n" in found["environment"]
    assert "zorilla" not in found["environment"]
    assert (found["service"], found["mode"]) == ("[lockgate]\nsslpassword=zorilla\n", "600\n")
    file = found["environment"].partition("PGSERVICEFILE=")[2].partition("\n")[0]
    assert not Path(file).exists()


def test_libpq_reads_the_keys_password_from_a_service_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "service.conf"
    file.write_text("[lockgate]\nsslpassword=zori lla\n")
    monkeypatch.setenv("PGSERVICEFILE", str(file))
    monkeypatch.setenv("PGSERVICE", "lockgate")
    found = {option.keyword: option.val for option in pq.Conninfo.get_defaults()}
    assert found[b"sslpassword"] == b"zori lla"


def test_a_connection_without_secrets_is_given_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = dumped(tmp_path, monkeypatch, sslmode="require")
    shown = found["arguments"].rpartition("--dbname\n")[2].strip()
    assert conninfo.conninfo_to_dict(shown) == {**LOGIN, "sslmode": "require"}
    assert "service" not in found


def test_a_keys_password_beside_a_service_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LockgateError, match="cannot be given the password of the key"):
        dumped(tmp_path, monkeypatch, sslpassword="zorilla", service="shop")
