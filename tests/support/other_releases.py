"""Lockgate of another release beside this one's: the older that is kept in ``older/``, and a newer that is made up.

The older is the wheel's content of the commit that ``older/COMMIT`` names; ``make older`` keeps today's. It is a file
of its own, since a checkout need not have the repository's history.
"""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.sites import ROOT, Site

KEPT = ROOT / "tests" / "support" / "older" / "lockgate.tar.xz"
# What a later release may do to the ledger: new columns with defaults, in every table, and a new table.
TABLES = ("run", "checkpoint", "failure", "migrationrecord", "journalentry", "effect")
ADDED = "later"
NEXT = "0099_later"
NEXT_MIGRATION = f"""
from django.db import migrations, models
class Migration(migrations.Migration):
    dependencies = [("lockgate", "{{last}}")]
    operations = [
        *(migrations.AddField(table, "{ADDED}", models.TextField(db_default="none")) for table in {TABLES}),
        migrations.CreateModel("Later", [("id", models.BigAutoField(primary_key=True))]),
    ]
"""


@dataclass
class OtherRelease(Site):
    """A project with another Lockgate than this tree's. code: the folder that has the package."""

    code: Path = ROOT / "apps"
    fresh: bool = True

    def environment(self, extra: Mapping[str, str | None]) -> dict[str, str]:
        return {**super().environment(extra), "PYTHONPATH": os.pathsep.join((str(self.path), str(self.code)))}


def older(folder: Path) -> Path:
    """The older release, unpacked."""
    with tarfile.open(KEPT) as archive:
        archive.extractall(folder, filter="data")
    return folder


def newer(folder: Path) -> Path:
    """This tree's, with one more migration of the ledger."""
    package = folder / "lockgate"
    shutil.copytree(ROOT / "apps" / "lockgate", package, ignore=shutil.ignore_patterns("__pycache__"))
    last = max(path.stem for path in (package / "migrations").glob("0*.py"))
    (package / "migrations" / f"{NEXT}.py").write_text(NEXT_MIGRATION.format(last=last))
    return folder
