"""``python -m tests.conformance.django_suite``: Django's own tests, by stock Django and by Lockgate.

Needs the package index the first time. ``TEST_DATABASE_URL`` names a server to use instead of the embedded one, which
has no contrib extensions. Exits 1 where a test differs without an explanation, or an explanation is not needed. What
each run said is kept in ``.data/conformance/django``.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import uuid
from pathlib import Path

import django

from project import embedded
from tests.conformance.django_suite import differences, source, verdict
from tests.support import databases
from tests.support.sites import ROOT

CHILD = Path(__file__).with_name("child") / "run.py"
LABELS = (
    "migrations",
    "migration_test_data_persistence",
    "migrate_signals",
    "postgres_tests.test_operations",
    "postgres_tests.test_array.TestMigrations",
)
TIMEOUT = 900  # seconds for a run, which takes about 20


def run(tests: Path, mode: str) -> verdict.Outcomes:
    """One run, in databases of its own. Raises SystemExit, with what it said last, where it does not come to an end."""
    name, kept = f"lg_{uuid.uuid4().hex[:12]}", source.CACHE / f"{django.__version__}-{mode}"
    outcomes, log = kept.with_name(f"{kept.name}.json"), kept.with_name(f"{kept.name}.log")
    outcomes.unlink(missing_ok=True)
    command = [sys.executable, str(CHILD), str(tests), mode, str(outcomes), *LABELS]
    try:
        with log.open("w") as to:
            subprocess.run(command, cwd=tests, env=_variables(name), stdout=to, stderr=to, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        raise SystemExit(f"{verdict.MODES[mode]} did not end in {TIMEOUT} s; it said:\n{_end(log)}") from None
    finally:
        for each in (f"test_{name}", f"test_{name}_other"):  # where Django did not come to it
            databases.Database(each).drop()
    if not outcomes.exists():
        raise SystemExit(f"{verdict.MODES[mode]} broke off; it said:\n{_end(log)}")
    document: verdict.Outcomes = json.loads(outcomes.read_text())
    return document


def _variables(name: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(ROOT / "apps"),
        "DJANGO_SETTINGS_MODULE": "suite_settings",
        "DATABASE_URL": databases.server(),
        "SUITE_DATABASE": name,
    }


def _end(log: Path) -> str:
    return log.read_text()[-3000:]


def main() -> int:
    with contextlib.ExitStack() as stack:
        if "TEST_DATABASE_URL" not in os.environ:
            os.environ["TEST_DATABASE_URL"] = stack.enter_context(embedded.server())
        tests = source.tests()
        runs = {mode: run(tests, mode) for mode in verdict.MODES}
        with databases.admin() as connection:
            server = connection.info.parameter_status("server_version") or "of unknown version"
    found_verdict = verdict.judge(runs, differences.KNOWN, django.__version__)
    sys.stdout.write(verdict.report(found_verdict, django.__version__, server) + "\n")
    return 1 if found_verdict.problems else 0


if __name__ == "__main__":
    sys.exit(main())
