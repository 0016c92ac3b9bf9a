"""Makes a manifest: runs a probe in a process of its own, and writes down what that read.

Nothing in it is a guess of what a project might read: settings, apps and migrations are loaded, twice, with the address
of a database that nobody has, and every read on the way is in it.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lockgate.errors import LockgateError
from lockgate.manifest import manifest_file

# How often a tree that is still being written is loaded again, each time once it may have settled.
TRIES = 3

StartedWith = tuple[list[str], dict[str, str]]


def build(script: str, settings: str, started_with: StartedWith) -> str:
    """The text of a manifest of this project. Raises LockgateError where settings, apps or migrations do not load.

    script: what starts are made with, manage.py. settings: the settings module's name. started_with: this process's
    sys.path and environment before settings and apps could change them.
    """
    report = _stable_report(script, settings, started_with)
    # With options in the URL, too: they might be dropped, or replaced where there are none.
    second_report = _report_of_probe(
        _circumstances(script, settings, started_with, query="sslmode=disable&options=-c%20search_path%3Dnowhere")
    )
    obstacles = dict.fromkeys([*report["obstacles"], *second_report["obstacles"]])
    lines = [*(f"obstacle {manifest_file.encoded(obstacle)}" for obstacle in obstacles), *report["lines"]]
    return manifest_file.written(lines, json.dumps(report["document"], indent=1)[1:-1])


def _stable_report(script: str, settings: str, started_with: StartedWith) -> dict[str, Any]:
    """What the probe reports once no file is younger than a time stamp can tell, and none changes meanwhile."""
    for _ in range(TRIES):
        report = _report_of_probe(_circumstances(script, settings, started_with, query=""))
        age = report["started"] - report["newest"]
        if age > manifest_file.RACY_NANOSECONDS:
            return report
        time.sleep((manifest_file.RACY_NANOSECONDS - age) / 10**9)
    raise LockgateError(
        "files of the project change while it is loaded",
        why=f"in {TRIES} attempts there was always one that is younger than 2 s",
        state="no manifest was written",
        next_step='run again when nothing writes there, or name what is written in LOCKGATE["MANIFEST_IGNORES"]',
    )


def _circumstances(script: str, settings: str, started_with: StartedWith, query: str) -> dict[str, Any]:
    path, environ = started_with
    mark = secrets.token_hex(4)
    database = {
        "USER": f"user {mark}",
        "PASSWORD": f"p@ss:/{mark}",
        "HOST": f"{mark}.invalid",
        "PORT": str(20000 + secrets.randbelow(20000)),
        "NAME": f"name {mark}",
    }
    login = f"{quote(database['USER'])}:{quote(database['PASSWORD'], safe='')}"
    url = f"postgresql://{login}@{database['HOST']}:{database['PORT']}/{quote(database['NAME'])}"
    options = {"sslmode": "disable", "options": "-c search_path=nowhere"} if query else {}
    return {
        "path": list(path),
        "script": str(Path(script).absolute()),
        "settings": settings,
        "database": {**database, "OPTIONS": options},
        "environ": {
            **(environ or os.environ),
            "DJANGO_SETTINGS_MODULE": settings,
            "DATABASE_URL": f"{url}?{query}" if query else url,
        },
    }


def _report_of_probe(circumstances: dict[str, Any]) -> dict[str, Any]:
    """What the probe reports under these circumstances."""
    environ = circumstances.pop("environ")
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "report.json"
        # -P: the probe's folder is no place to import from.
        command = [sys.executable, "-P", str(Path(__file__).with_name("probe.py")), str(output)]
        ended = subprocess.run(  # noqa: S603
            command, input=json.dumps(circumstances), env=environ, capture_output=True, text=True, check=False
        )
        if ended.returncode:
            raise LockgateError(
                "cannot load settings, apps and migrations with an address of a database that nobody has",
                why=ended.stderr.strip().rpartition("\n")[2],
                state="no manifest was written",
                next_step="correct it, and run again; a manifest is made without a server",
            )
        report: dict[str, Any] = json.loads(output.read_text(encoding="utf-8"))
        return report
