"""Asks squawk, where it is installed, about SQL that only a real parser understands.

An optional dependency (``django-lockgate[lint]``). Without it such statements are counted, never passed over in
silence. Source: https://squawkhq.com/docs/
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from lockgate.errors import LockgateError
from lockgate.facts import Key
from lockgate.linting.hazards import SqlFinding

TIMEOUT = 60  # seconds: it reads a thousand statements in one


def program() -> str | None:
    """Where squawk is: beside this Python, or on PATH."""
    beside = Path(sys.executable).parent / "squawk"
    return str(beside) if beside.is_file() else shutil.which("squawk")


def judge(squawk: str, statements: Iterable[tuple[Key, int, str]], version: int) -> list[SqlFinding]:
    """What squawk finds in statements, each given with its migration and its place there.

    Runs it once, in an empty directory, so that no configuration of the project changes what it looks for.
    Raises LockgateError where it fails.
    """
    listed = list(statements)
    if not listed:
        return []
    with tempfile.TemporaryDirectory() as folder:
        for number, (_, _, text) in enumerate(listed):
            (Path(folder) / f"{number}.sql").write_text(f"{text};\n", encoding="utf-8")
        names = [f"{number}.sql" for number in range(len(listed))]
        command = [squawk, "--reporter", "json", "--pg-version", f"{version // 10000}.0", *names]
        ended = subprocess.run(  # noqa: S603  our own command line
            command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
    return [_finding(listed, finding) for finding in _read(ended)]


def _read(ended: subprocess.CompletedProcess[str]) -> list[dict[str, str]]:
    try:
        findings: list[dict[str, str]] = json.loads(ended.stdout)
    except ValueError:
        raise LockgateError(
            f"squawk failed with exit code {ended.returncode}",
            why=ended.stderr or ended.stdout,
            next_step="update squawk-cli, or uninstall it: its part is then left out, and named as missing",
        ) from None
    return findings


def _finding(listed: list[tuple[Key, int, str]], finding: dict[str, str]) -> SqlFinding:
    key, operation, text = listed[int(Path(finding["file"]).stem)]
    shown = " ".join(text.split())[:60]
    return SqlFinding(key, operation, finding["rule_name"], f"squawk ({finding['rule_name']}) objects to: {shown}")
