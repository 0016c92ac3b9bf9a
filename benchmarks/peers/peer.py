"""What a peer is asked, and the environment that each has to itself, kept in ``.data/peers``."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from benchmarks.scripts import Script
from tests.support.sites import ROOT

HOME = ROOT / ".data" / "peers"


class Peer(Protocol):
    name: str
    title: str  # with its version

    def install(self) -> None:
        """Make its environment, unless it is there. Raises OSError or CalledProcessError where it cannot be made."""

    def lay_out(self, folder: Path, scripts: Sequence[Script], url: str) -> list[str]:
        """Write the scripts into a new folder; returns the command that applies what is pending, to run there."""


def install_npm(name: str, packages: Sequence[str]) -> Path:
    """An npm prefix with exactly these packages; returns it."""
    home, marker = HOME / name, HOME / name / "installed"
    if not _installed(marker, packages):
        _empty(home)
        (home / "package.json").write_text("{}")
        npm = ["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", "--save-exact"]
        subprocess.run([*npm, *packages], cwd=home, check=True, stdout=sys.stderr)
        marker.write_text(" ".join(packages))
    return home


def install_pip(name: str, packages: Sequence[str]) -> Path:
    """A virtual environment with exactly these packages; returns its folder of commands."""
    home, marker = HOME / name, HOME / name / "installed"
    if not _installed(marker, packages):
        _empty(home)
        subprocess.run([sys.executable, "-m", "venv", home / "venv"], check=True)
        pip = [home / "venv" / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *packages], check=True, stdout=sys.stderr)
        marker.write_text(" ".join(packages))
    return home / "venv" / "bin"


def _installed(marker: Path, packages: Sequence[str]) -> bool:
    return marker.exists() and marker.read_text() == " ".join(packages)


def _empty(home: Path) -> None:
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
