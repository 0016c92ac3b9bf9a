"""What ``lockgate lint --cache DIR`` keeps: a whole judgement, and everything that it rested on.

It is found again only where every one of those is as it was: the contents of all migrations and of whatever was read to
load and judge them, the names in their folders, what is installed, the settings that count, the arguments. Whatever
could not be compared is a reason to keep nothing, and is said. A database's facts are never kept: they are of a moment.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import django
from django.apps import apps
from django.conf import settings
from django.db.migrations import Migration

import lockgate
from lockgate import configuration, policy
from lockgate.ledger import fingerprints
from lockgate.linting import migration_files, squawk
from lockgate.manifest import manifest_file
from lockgate.manifest.probe import ReadLog, is_installed
from lockgate.snapshot import settings_used

FORMAT = 1
# Of these settings a digest may be kept, and every judgement depends on them.
SETTINGS = ("INSTALLED_APPS", "MIGRATION_MODULES", "DATABASE_ROUTERS", settings_used.ENGINES)
_OURS = str(Path(lockgate.__file__).parent)
_OWN_VARIABLES = ("LOCKGATE_", "DJANGO_", "PG")  # Lockgate's are in the policy; the others are of the connection


@dataclass
class LintCache:
    """One judgement's place. asked: arguments, and what else it hangs on that is known beforehand."""

    folder: Path
    asked: Mapping[str, object]
    started: float = field(default_factory=time.time)
    notes: ReadLog = field(default_factory=ReadLog)

    @property
    def path(self) -> Path:
        versions = [FORMAT, lockgate.__version__, django.get_version(), platform.python_version(), str(Path.cwd())]
        text = json.dumps([versions, self.asked, squawk.program()], default=str, sort_keys=True)
        return self.folder / f"{_sha256(text.encode())}.json"

    def find(self) -> Any:
        """What was kept, where all that it rested on is as it was; None otherwise."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            document = json.loads(self.path.read_bytes())
            if all(_digest(path) == digest for path, digest in document["files"].items()) and document["rest"] == _rest(
                document["folders"], document["settings"], document["unset"]
            ):
                return document["judgement"]
        return None

    def begin(self) -> None:
        """From now on, whatever this process reads counts."""
        self.notes.begin()

    def keep(self, judgement: object, migrations: Iterable[Migration]) -> str:
        """Write a judgement down. Returns why not, where it cannot be kept."""
        self.notes.on = False
        listed = list(migrations)
        files = {path: _digest(path) for path in sorted({*self.notes.files, *_modules()})}
        names = sorted({*SETTINGS, *settings_used.names(filter(None, map(fingerprints.source, listed)))})
        if why := next(self._obstacles(files, names), ""):
            return why
        folders = sorted({*self.notes.folders, *_migration_folders(listed)})
        unset = sorted(self._variables())
        document = {
            "files": files,
            "folders": folders,
            "settings": names,
            "unset": unset,
            "rest": _rest(folders, names, unset),
            "judgement": judgement,
        }
        try:
            self._write(json.dumps(document).encode())
        except OSError as error:
            return f"{self.folder} cannot be written: {error.strerror}"
        return ""

    def _obstacles(self, files: Mapping[str, str], names: Iterable[str]) -> Iterator[str]:
        yield from (obstacle for obstacle in self.notes.obstacles if not obstacle.startswith(_OURS))
        yield from (f"the environment variable {name} is read" for name in self._variables() if name in os.environ)
        listed = configuration.resolve(getattr(settings, "LOCKGATE", {}), {}).snapshot_settings
        for name in settings_used.unlisted(names, _setting, {*SETTINGS, *listed}):
            yield f'migrations read settings.{name}, which may be secret (LOCKGATE["SNAPSHOT_SETTINGS"] says it is not)'
        margin = policy.JUDGED_TOO_SOON.total_seconds()
        for path in files:
            if _changed_at(path) > self.started - margin:
                yield f"{path} was changed less than {margin:g} s before this run"

    def _variables(self) -> list[str]:
        return [name for name in self.notes.variables if name and not name.startswith(_OWN_VARIABLES)]

    def _write(self, content: bytes) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / ".gitignore").write_text("*\n")
        own = self.path.with_suffix(f".{os.getpid()}")
        own.write_bytes(content)
        own.replace(self.path)
        kept = sorted(self.folder.glob("*.json"), key=lambda path: _changed_at(str(path)), reverse=True)
        for path in kept[policy.JUDGEMENTS_KEPT :]:
            path.unlink(missing_ok=True)


def _rest(folders: Iterable[str], names: Iterable[str], unset: Iterable[str]) -> str:
    """A digest of what is no file's content: names in folders, what is installed, settings; variables must be unset."""
    lines = [f"{folder} {_names(folder)}" for folder in folders]
    lines += [
        manifest_file.distributions(folder)
        for folder in manifest_file.search_path(sys.path)
        if manifest_file.is_site(folder)
    ]
    lines += [f"{config.label} {_names(str(Path(config.path) / 'migrations'))}" for config in apps.get_app_configs()]
    lines += [settings_used.digest(names, _setting), str([name for name in unset if name in os.environ])]
    return _sha256("\n".join(lines).encode())


def _setting(name: str) -> Any:
    return getattr(settings, name, None)


def _modules() -> Iterator[str]:
    """Files of loaded modules; of what is installed, the versions count."""
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None)
        if path and not is_installed(path):
            yield path


def _migration_folders(migrations: Iterable[Migration]) -> set[str]:
    return {str(path.parent) for migration in migrations if (path := migration_files.path_of(migration))}


def _names(folder: str) -> list[str]:
    try:
        return sorted(name for name in os.listdir(folder) if name != "__pycache__")  # noqa: PTH208  many of them
    except OSError:
        return []


def _digest(path: str) -> str:
    """Of a file's content; empty where there is none."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123  a thousand of them
            return _sha256(file.read())
    except OSError:
        return ""


def _changed_at(path: str) -> float:
    try:
        return Path(path).stat().st_mtime
    except OSError:
        return 0.0


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
