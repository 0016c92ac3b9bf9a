"""The pg_dump that is taken: one that can read the server, and the oldest of those."""

from __future__ import annotations

from pathlib import Path

import pytest

from lockgate.database import pg_tools
from lockgate.database.pg_tools import ProgramMissing


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
