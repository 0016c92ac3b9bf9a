"""Loads settings, apps and migrations in a separate process, and logs everything that they read.

Runs as a script, with the request of ``manifest.build`` on stdin, as JSON, and the name of a file for its report. It
logs every read, of any code. Logging too much costs nothing while the input is unchanged. Logging too little would
let a stale manifest pass for a fresh one.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

# Of the process and its terminal, not of the project; DATABASE_URL is a matter of its own (``build``).
_OF_THE_PROCESS = frozenset(
    (
        *("PATH", "HOME", "USER", "LOGNAME", "USERNAME", "SHELL", "PWD", "OLDPWD", "TMPDIR", "TEMP", "TMP"),
        *("LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LC_MESSAGES"),
        *("TERM", "COLORTERM", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"),
        *("DATABASE_URL", "DJANGO_SETTINGS_MODULE"),
    )
)
# Part of the system; of Python and of what is installed the manifest has the version.
_OF_THE_SYSTEM = ("/proc/", "/sys/", "/dev/", "/lib/", "/usr/lib/", "/usr/share/", "/etc/ssl/", "/etc/ld.so")
# What ``ctypes.util.find_library`` asks, and what that answers from: GeoDjango looks for its libraries so, and psycopg
# without compiled parts for libpq. https://man7.org/linux/man-pages/man8/ldconfig.8.html
_LIBRARIES, _LIBRARIES_KNOWN = ["/sbin/ldconfig", "-p"], "/etc/ld.so.cache"
_STANDARD_LIBRARY = os.path.dirname(os.__file__) + "/"  # noqa: PTH120
# What no manifest can stand for. https://docs.python.org/3/library/audit_events.html
_BEYOND = {
    "subprocess.Popen": "runs a program",
    "os.system": "runs a program",
    "os.posix_spawn": "runs a program",
    "os.exec": "runs a program",
    "socket.connect": "asks the network",
    "socket.getaddrinfo": "asks the network",
    "sqlite3.connect": "asks a database",
}


class ReadLog:
    """What was read, and what stands in the way of trusting a manifest at all."""

    def __init__(self) -> None:
        self.on = False
        self.environment = dict(os.environ)
        self.variables: set[str] = set()
        self.files: set[str] = set()
        self.folders: set[str] = set()
        self.obstacles: dict[str, None] = {}

    def begin(self) -> None:
        """From now on, every read of this process is noted."""
        os.environ.__class__ = os.environb.__class__ = _logging_environment(self)
        sys.addaudithook(self._hear)
        self.on = True

    def variable(self, key: str | bytes) -> None:
        name = os.fsdecode(key)
        if self.on and name not in _OF_THE_PROCESS and not name.startswith(("PYTHON", "_PYTHON")):
            self.variables.add(name)

    def whole_environment(self) -> None:
        if self.on:
            self.obstacles[f"{self._who(sys._getframe(2))} reads the whole environment while it is loaded"] = None

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event == "open":
            self._opened(*arguments)
        elif event in ("os.listdir", "os.scandir"):
            self._listed(arguments[0])
        elif event == "subprocess.Popen" and list(arguments[1]) == _LIBRARIES:
            self.files.add(_LIBRARIES_KNOWN)
        elif event in _BEYOND:
            self.obstacles[f"{self._who(sys._getframe(1))} {_BEYOND[event]} while it is loaded"] = None

    def _opened(self, path: Any, mode: str | None, flags: int) -> None:
        writes = flags & (os.O_WRONLY | os.O_RDWR)
        if not isinstance(path, int) and not writes and (absolute := _of_the_project(path)):
            self.files.add(absolute)

    def _listed(self, path: Any) -> None:
        # Whoever imports looks into all of sys.path: what that finds is watched by what came of it.
        importing = sys._getframe(2).f_code.co_filename.startswith(("<frozen", f"{_STANDARD_LIBRARY}importlib/"))
        if not isinstance(path, int) and not importing and (absolute := _of_the_project(path or ".")):
            self.folders.add(absolute)

    def _who(self, frame: FrameType | None) -> str:
        """The file and line that is to blame: the nearest that is not Python's."""
        while frame is not None:
            name = frame.f_code.co_filename
            if not name.startswith(("<", _STANDARD_LIBRARY)) and name != __file__:
                return f"{name}:{frame.f_lineno}"
            frame = frame.f_back
        return "Python"


def _logging_environment(log: ReadLog) -> Any:
    """A class for os.environ itself: whoever holds that object is heard, since when ever."""
    environ: Any = type(os.environ)

    class Noting(environ):  # type: ignore[misc]
        def __getitem__(self, key: Any) -> Any:
            log.variable(key)
            return super().__getitem__(key)

        def __iter__(self) -> Iterator[Any]:
            log.whole_environment()
            return iter(super().__iter__())

    return Noting


def _of_the_project(path: Any) -> str:
    """The absolute path, where it is neither the system's, nor Python's, nor of what is installed; else empty."""
    absolute = os.path.abspath(os.fsdecode(path))  # noqa: PTH100
    if "/__pycache__/" in f"{absolute}/" or is_installed(absolute) or absolute.startswith(_OF_THE_SYSTEM):
        return ""
    return absolute


def is_installed(path: str) -> bool:
    """Whether a file is the standard library's, or that of an installed distribution."""
    return path.startswith(_STANDARD_LIBRARY) or "/site-packages/" in path or "/dist-packages/" in path


def _import_what_migrate_imports() -> None:
    """Django's command imports each app's ``management``: receivers of its signals may be there."""
    from importlib import import_module  # noqa: PLC0415

    from django.apps import apps  # noqa: PLC0415
    from django.utils.module_loading import module_has_submodule  # noqa: PLC0415

    for config in apps.get_app_configs():
        if module_has_submodule(config.module, "management"):
            import_module(".management", config.name)


def main() -> None:
    circumstances = json.load(sys.stdin)
    sys.path[:] = circumstances["path"]
    started, log = time.time_ns(), ReadLog()
    log.begin()
    import django  # noqa: PLC0415

    django.setup()
    from django.db.migrations.loader import MigrationLoader  # noqa: PLC0415

    _import_what_migrate_imports()
    loader = MigrationLoader(None)
    log.on = False
    from lockgate.manifest import project  # noqa: PLC0415

    report = project.describe(log, loader, circumstances, started)
    with open(sys.argv[1], "w", encoding="utf-8") as file:  # noqa: PTH123
        json.dump(report, file)


if __name__ == "__main__":
    main()
