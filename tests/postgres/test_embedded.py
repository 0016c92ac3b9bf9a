"""``python -m project.embedded``: a PostgreSQL for the length of a command, and ``make run`` on top of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.support import databases, servers
from tests.support.processes import until
from tests.support.sites import ROOT

QUERY = "import os, psycopg; print(psycopg.connect(os.environ['DATABASE_URL']).execute({!r}).fetchone()[0])"


def embedded(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "project.embedded", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def query(sql: str) -> tuple[str, str, str]:
    return sys.executable, "-c", QUERY.format(sql)


@pytest.mark.parametrize("version", [str(version) for version in databases.several()])
def test_a_command_runs_with_database_url_and_its_exit_code_is_ours(version: str) -> None:
    asked = embedded("--postgres", version, "--", *query("SHOW server_version"))
    assert asked.returncode == 0, asked.stderr
    assert asked.stdout.startswith(version + ".")
    assert embedded("--", sys.executable, "-c", "raise SystemExit(7)").returncode == 7


def test_a_kept_cluster_keeps_its_data_and_refuses_another_version(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    create = (
        "import os, psycopg; psycopg.connect(os.environ['DATABASE_URL'], autocommit=True).execute('CREATE TABLE k()')"
    )
    made = embedded("--data", data, "--", sys.executable, "-c", create)
    assert made.returncode == 0, made.stderr
    assert embedded("--data", data, "--", *query("SELECT to_regclass('k')::text")).stdout == "k\n"
    refused = embedded("--data", data, "--postgres", "18", "--", "true")
    assert refused.returncode == 1
    assert "was made by PostgreSQL 16, not 18" in refused.stderr


def test_an_unknown_command_is_named() -> None:
    result = embedded("--", "no-such-command")
    assert (result.returncode, "no-such-command" in result.stderr) == (127, True)


def test_make_run_serves_and_ends_whole_and_then_finds_nothing_to_migrate(tmp_path: Path) -> None:
    """What ``make run`` runs, twice, on a cluster of the test's own."""
    outputs = []
    for _ in range(2):
        port = servers.free_port()
        process = subprocess.Popen(
            [ROOT / "docker" / "run_locally.sh"],
            cwd=ROOT,
            env={
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                "PYTHONPATH": f"{ROOT / 'apps'}{os.pathsep}{ROOT}",
                "PORT": str(port),
                "DATA": str(tmp_path / "data"),
                "WEB_CONCURRENCY": "1",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            until(lambda: process.poll() is not None or ready(port), "the service is ready", patience=120)  # noqa: B023
        finally:
            os.killpg(process.pid, signal.SIGINT)  # what Ctrl-C does: every process of the terminal gets it
            output, _ = process.communicate(timeout=60)
        outputs.append(output)
    first, second = outputs
    assert f"http://127.0.0.1:{port}/api/docs" in second
    assert "done: " in first
    assert "nothing to migrate" in second
    assert not (tmp_path / "data" / "postmaster.pid").exists(), "the server outlived its command"


def ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
            return bool(json.load(answer)["ready"])
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
