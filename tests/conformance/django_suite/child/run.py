"""One run of Django's tests, in a process of its own: ``run.py TESTS MODE OUTCOMES LABEL …``.

TESTS: the folder of Django's tests. MODE: ``stock``; ``lockgate``; or ``words``, that is Lockgate which says nothing
and lets Django say what it does. OUTCOMES: the file to write, JSON: by test id, its outcome and the first line of why.
Nothing of Django's files is changed, and all modes have the same settings and the same server.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import runner
from django.conf import settings
from django.db import connection

# The extensions that the migrations of postgres_tests create. Without one of them none of its tables can be had.
NEEDED = {"bloom", "btree_gin", "btree_gist", "citext", "uuid-ossp", "hstore", "pg_trgm", "unaccent"}


def main(tests: str, mode: str, outcomes: str, *labels: str) -> None:
    runner.MODE[0] = mode
    _give_temporary_directory()
    sys.path.insert(0, tests)
    runtests: Any = importlib.import_module("runtests")
    if mode != "stock":
        runtests.ALWAYS_INSTALLED_APPS.insert(0, "lockgate")
    collect = runtests.setup_collect_tests

    def setup_collect_tests(*args: Any, **kwargs: Any) -> Any:
        found = collect(*args, **kwargs)
        if NEEDED - _available():
            settings.MIGRATION_MODULES["postgres_tests"] = "no_migrations"
            settings.TEST_NON_SERIALIZED_APPS = ["postgres_tests"]  # its tables are not there
        return found

    runtests.setup_collect_tests = setup_collect_tests
    off = dict.fromkeys(("failfast", "keepdb", "reverse", "debug_sql", "pdb", "buffer", "timing", "shuffle"), False)
    nothing = dict.fromkeys(("tags", "exclude_tags", "test_name_patterns", "start_at", "start_after"))
    runtests.django_tests(verbosity=1, interactive=False, test_labels=list(labels), parallel=1, **off, **nothing)
    Path(outcomes).write_text(json.dumps(runner.OUTCOMES, indent=1, sort_keys=True))


def _available() -> set[str]:
    """The extensions that the server has."""
    with connection._nodb_cursor() as cursor:  # type: ignore[attr-defined]
        cursor.execute("SELECT name FROM pg_available_extensions")
        return {name for (name,) in cursor.fetchall()}


def _give_temporary_directory() -> None:
    """What ``runtests.py`` does when it is run: tests write there."""
    tempfile.tempdir = os.environ["TMPDIR"] = tempfile.mkdtemp(prefix="django_")
    atexit.register(shutil.rmtree, tempfile.tempdir)


if __name__ == "__main__":
    main(*sys.argv[1:])
