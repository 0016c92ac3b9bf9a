"""A fork of ``tests.support.forks`` and a fresh interpreter: the same output, the same end, the same database."""

from __future__ import annotations

import os
import re
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support import databases, forks
from tests.support.processes import says
from tests.support.schema import whole
from tests.support.sites import ADD_COLUMN, COUNT_UP, CREATE_COUNTER, SEED_COUNTER, Result, Site

TELL = """
import atexit, locale, os, resource, signal, stat, sys, threading, time, warnings
print(__name__, __file__, sys.modules["__main__"].__file__, sys.argv, sys.path, sys.flags, sys.executable, sys.prefix)
print(sorted(os.environ.items()), os.getcwd(), os.getpgrp(), os.getsid(0), os.umask(0), time.tzname)
print([(each, signal.getsignal(each)) for each in sorted(signal.valid_signals())], signal.pthread_sigmask(0, ()))
print([(each.encoding, each.errors, each.line_buffering, each.fileno(), each.name) for each in (
    sys.stdin, sys.stdout, sys.stderr)], repr(sys.stdin.read()), locale.getlocale(), sys.getfilesystemencoding())
print([stat.S_IFMT(os.fstat(each).st_mode) for each in map(int, sorted(os.listdir("/proc/self/fd"))) if each < 3])
print(len(os.listdir("/proc/self/fd")), threading.active_count(), resource.getrlimit(resource.RLIMIT_NOFILE))
print(warnings.filters, sys.getrecursionlimit(), sys.getswitchinterval())
sys.stderr.write("ümläut \\udcff\\n")
"""
# What a process may be, and how it may end.
SCRIPTS = {
    "tells": TELL,
    "a_code": "print('out'); raise SystemExit(3)",
    "no_code": "print('out'); raise SystemExit",
    "words": "raise SystemExit('words')",
    "an_error": "print('out'); 1 / 0",
    "an_interrupt": "print('out', flush=True); raise KeyboardInterrupt",
    "a_warning": "import warnings; warnings.warn('old', DeprecationWarning)",
    "killed": "import os; print('out', flush=True); print('lost'); os.kill(os.getpid(), 9)",
    "terminated": "import os; os.kill(os.getpid(), 15)",
    "a_pipe_that_broke": "import os; os.kill(os.getpid(), 13); print('ignored')",
    "at_once": "import os; print('lost'); os._exit(4)",
    "undecodable": "print('\\udcff')",
    "closed": "import os; print('x'); os.close(1)",
    "the_end": "import atexit, threading, time; atexit.register(print, 'last')\n"
    "threading.Thread(target=lambda: (time.sleep(0.2), print('thread'))).start(); print('first')",
    "logs": "import logging.handlers\n"
    "logging.getLogger().addHandler(logging.handlers.MemoryHandler(9, 99, logging.StreamHandler()))\n"
    "logging.error('kept until the end')",
    "a_child": "import subprocess, sys; sys.exit(subprocess.run([sys.executable, '-c', 'exit(5)']).returncode)",
}
BROKEN = 'migrations.RunSQL("SELECT 1/0")'


def both(site: Site, *arguments: str, **environment: str | None) -> list[Result]:
    assert forks.can(site.environment(environment))
    fresh = replace(site, fresh=True).run(*arguments, **environment)
    return [site.run(*arguments, **environment), fresh]


def without_frames(result: Result) -> tuple[int, str, str]:
    """Without the lines of a traceback: a fork's begins elsewhere."""
    return result.code, result.out, re.sub(r"^  .*\n", "", result.err, flags=re.MULTILINE)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_fork_is_what_a_fresh_interpreter_is(site: Site, name: str) -> None:
    (site.path / "manage.py").write_text(SCRIPTS[name])
    forked, fresh = both(site, "one", "two", TZ="Asia/Kathmandu", GIVEN="ümläut")
    assert without_frames(forked) == without_frames(fresh)
    assert fresh.text or fresh.code


COMMANDS = (
    *(("migrate", "--plan"), ("migrate", "--check"), ("migrate", "--noinput"), ("showmigrations",), ("migrate",)),
    *(("sqlmigrate", "shop", "0001"), ("makemigrations", "--check"), ("bad",), ("migrate", "--bad"), ("help",)),
    *(
        ("migrate", "shop", "0001"),
        ("migrate", "shop", "zero"),
        (
            "lockgate",
            "lint",
        ),
        ("check",),
    ),
)


def test_commands_of_a_fork_end_as_those_of_a_fresh_interpreter(tmp_path: Path) -> None:
    """Also one that fails half-way."""
    ended, ends = [], []
    for fresh in (False, True):
        with databases.another() as database:
            site = Site(tmp_path / f"fresh_{fresh}", database, fresh=fresh)
            site.migration("0001_initial", CREATE_COUNTER)
            site.migration("0002_seed", SEED_COUNTER)
            site.migration("0003_more", COUNT_UP, ADD_COLUMN.format("colour"))
            results = [site.run(*command) for command in COMMANDS]
            site.migration("0004_broken", ADD_COLUMN.format("size"), BROKEN)
            results += [site.migrate(), site.migrate()]
            ended.append([(result.code, told(result.out), told(result.err)) for result in results])
            ends.append((whole(database), database.applied()))
    assert ended[0] == ended[1]
    assert ends[0] == ends[1]
    assert {code for code, _, _ in ended[0]} == {0, 1, 2}


def told(text: str) -> str:
    """Without what differs from one run to the next: times, names of databases and folders, numbers of sessions."""
    return re.sub(r"lg_\w{12}|fresh_\w+|\d+(\.\d+)? m?s\b|\d{4}-\d\d-\d\d[T ][\d:.]+|pid \d+", "…", text)


# What importing a module may add to, once the apps are loaded.
REGISTERED = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "site_settings"
import django
django.setup()
import django.core.management.commands.migrate
from django.apps import apps
from django.core import signals as core
from django.core.checks.registry import registry
from django.core.management import get_commands
from django.core.serializers import get_serializer_formats
from django.db import connection
from django.db.backends import signals as backends
from django.db.models import CharField, signals
print(sorted(f"{each.__module__}.{each.__qualname__}" for each in registry.get_checks(True)))
for module in (core, backends, signals):
    print([(name, len(each.receivers)) for name, each in sorted(vars(module).items()) if hasattr(each, "receivers")])
print(sorted(get_commands().items()), sorted(get_serializer_formats()), sorted(CharField.get_lookups()))
print([each.label for each in apps.get_app_configs()], sorted(apps.all_models), type(connection))
"""


@pytest.mark.parametrize("stock", [False, True])
def test_what_is_imported_before_registers_nothing(site: Site, stock: bool) -> None:
    site.stock = stock
    site.write_settings()
    (site.path / "manage.py").write_text(REGISTERED)
    forked, fresh = both(site)
    assert forked == fresh
    assert ("lockgate" in forked.out) is not stock


def test_two_sites_share_nothing(tmp_path: Path, site: Site) -> None:
    other = Site(tmp_path / "other", site.database)
    for number, one_site in enumerate((site, other, site)):
        (one_site.path / "shop" / "models.py").write_text(f"print('shop {number}', __file__)")
        one_site.extra_settings = f"print('settings {number}', __file__)"
        one_site.write_settings()
        said = one_site.run("check").out
        assert (
            f"settings {number} {one_site.path}/site_settings.py\nshop {number} {one_site.path}/shop/models.py\n"
            in said
        )


def test_a_fork_is_killed_by_its_pid_and_told_from_others(site: Site) -> None:
    (site.path / "manage.py").write_text("import sys, time; print('here', flush=True); time.sleep(int(sys.argv[1]))")
    long, short = site.start("60"), site.start("0")
    with long, short:
        says(long, "here")
        assert short.wait(60) == 0
        assert long.poll() is None
        os.kill(long.pid, signal.SIGKILL)
        assert (long.wait(60), long.poll()) == (-signal.SIGKILL, -signal.SIGKILL)
        assert short.communicate() == ("here\n", "")


@pytest.mark.parametrize("name", ["PYTHONDONTWRITEBYTECODE", "PYTHONHASHSEED", "LC_ALL", "LD_PRELOAD", "PYTHONUTF8"])
def test_what_an_interpreter_reads_at_its_start_asks_for_a_fresh_one(site: Site, name: str) -> None:
    assert forks.can(site.environment({}))
    assert not forks.can(site.environment({name: "1"}))
    assert not forks.can(site.environment({"PYTHONWARNINGS": None}))


def test_a_file_that_is_written_again_within_a_second_is_read_anew(site: Site) -> None:
    """Its bytecode is known by its length, and by seconds."""
    time.sleep(1 - time.time() % 1)  # both times in one
    for said in ("aa", "bb"):
        (site.path / "shop" / "models.py").write_text(f"print({said!r}, flush=True)\n")
        assert said in site.run("check").out
