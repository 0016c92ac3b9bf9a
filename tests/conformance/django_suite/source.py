"""The source distribution of the installed Django, which has the tests that the wheel leaves out."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

import django

from tests.support.sites import ROOT

CACHE = ROOT / ".data" / "conformance" / "django"


def tests() -> Path:
    """The folder of the tests of exactly the installed version; fetched from the package index where it is not here.

    Raises CalledProcessError where that fails.
    """
    folder = CACHE / f"django-{django.__version__}"
    if not folder.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        wanted = f"django=={django.__version__}"
        subprocess.run([*pip, "--no-deps", "--no-binary", "django", "--dest", CACHE, wanted], check=True)
        _unpack(CACHE / f"django-{django.__version__}.tar.gz")
    return folder / "tests"


def _unpack(archive: Path) -> None:
    with tarfile.open(archive) as opened:
        opened.extractall(CACHE, filter="data")
