"""What a start that has nothing to do imports and reads, without a server."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lockgate import policy
from lockgate.boot import empty_database, fast_path, libpq
from lockgate.database import advisory_lock
from lockgate.facts import Runner
from lockgate.manifest import manifest_file
from lockgate.manifest.manifest_file import Fallback, Manifest, Unusable
from tests.support.sites import ROOT

PRINT_IMPORTED = """
import os, sys
before = set(sys.modules)
from lockgate.boot import execute_from_command_line, fast_path, libpq
from lockgate.manifest import manifest_file
import zlib
print(*sorted(set(sys.modules) - before))
"""
# Ours, ctypes with what it stands on, select for the wait, and zlib for the manifest's sum. Each costs every start.
IMPORTED = {
    *("lockgate", "lockgate.boot", "lockgate.boot.fast_path", "lockgate.boot.libpq", "lockgate.manifest.manifest_file"),
    *("lockgate.manifest", "lockgate.sentences"),
    *("ctypes", "ctypes._endian", "_ctypes", "struct", "_struct", "select", "zlib"),
}
TYPES = {"types"}  # ctypes asks for it from Python 3.14 on


def test_the_imports_of_a_start_are_counted() -> None:
    environ = {"PYTHONPATH": str(ROOT / "apps"), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-S", "-c", PRINT_IMPORTED], env=environ, check=True, capture_output=True, text=True
    )
    assert set(done.stdout.split()) - TYPES <= IMPORTED


COLLECTOR = """
import gc, sys
gc.enable() if {enabled} else gc.disable()
from lockgate.boot import execute_from_command_line
execute_from_command_line(["manage.py", "look"])
print(gc.get_freeze_count() > sys.modules["looking"].then[1])
"""
LOOKING = """
import gc
from django.core.management.base import BaseCommand
from django.core import management
management.get_commands = lambda: {"look": Command()}

class Command(BaseCommand):
    requires_system_checks = ()

    def handle(self, **options):
        global then
        then = gc.isenabled(), gc.get_freeze_count()
        print(loading, then[0], then[1] > 0, end=" ")

loading = gc.isenabled()
"""


@pytest.mark.parametrize("enabled", [True, False])
def test_garbage_is_not_looked_for_where_none_can_be(enabled: bool, tmp_path: Path) -> None:
    """While apps are loaded, in what they have brought, and in all that there is at the end."""
    (tmp_path / "looking.py").write_text(LOOKING)
    environ = {
        "PYTHONPATH": f"{ROOT / 'apps'}:{tmp_path}",
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "looking_settings",
    }
    (tmp_path / "looking_settings.py").write_text("INSTALLED_APPS = ['looking']")
    code = COLLECTOR.format(enabled=enabled)
    done = subprocess.run([sys.executable, "-c", code], env=environ, check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["False", str(enabled), "True", "True"]


def test_the_numbers_that_cannot_be_imported_are_those_of_the_policy() -> None:
    assert policy.Policy().connect_timeout.total_seconds() == fast_path.DEADLINE_SECONDS
    assert policy.RELEASE_LENGTH == fast_path.RELEASE_LENGTH
    assert advisory_lock.KEY == empty_database.LOCK
    assert policy.PUBLIC_SCHEMA == empty_database.SCHEMA
    assert policy.CLIENT_CHECK_INTERVAL.total_seconds() * 1000 == empty_database.CLIENT_CHECK_MILLISECONDS


@pytest.mark.parametrize("release", ["", "spring-7", "r" * 255])
def test_other_runs_read_who_loads_a_snapshot_as_they_read_any_runner(release: str) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    given = empty_database._name(release)
    named = Runner.read(given)
    assert named is not None
    assert named.since is not None
    assert named.since - now < timedelta(seconds=60)
    assert given == Runner(release or "-", os.uname().nodename, named.since).application_name()


@pytest.mark.parametrize(
    "text", ["plain", "a b", 'a"b', "a%b", "a\\b", "a,b", "ümläut", "", "\udcff", "line\nline", "%41"]
)
def test_a_field_is_read_as_it_was_written(text: str) -> None:
    written = manifest_file.encoded(text)
    assert manifest_file.decoded(written) == text
    assert not set(written) & set(' "\\,\n')
    assert written.isascii()


def made(*lines: str) -> Manifest:
    return Manifest(manifest_file.written(list(lines), '"migrations": []'))


def test_a_manifest_is_read_as_it_was_written() -> None:
    manifest = made("contents abc", "path /one", "path /two", "release ")
    assert (manifest.one("contents"), manifest.all("path"), manifest.one("release")) == ("abc", ["/one", "/two"], "")


def test_a_line_that_is_not_there_is_no_answer() -> None:
    with pytest.raises(Unusable):
        made().one("contents")


@pytest.mark.parametrize("at", range(0, 100, 7))
def test_a_manifest_with_any_letter_changed_is_not_used(at: int) -> None:
    text = manifest_file.written(["contents abc", "ast_digest def", "salt 00", "variable NAME unset"], "")
    end = text.index("\n],")
    place = at % end
    with pytest.raises(Unusable):
        Manifest(text[:place] + chr(ord(text[place]) ^ 1) + text[place + 1 :])


@pytest.mark.parametrize(
    "url",
    [
        *(
            "",
            "postgres",
            "mysql://h/d",
            "postgresql://h",
            "postgresql://h/",
            "postgresql:///?host=/run",
            "host=h dbname=d",
        ),
        *("postgres://h/d#x", "postgres://h/d?a=b+c", "postgres://h/d x", "postgres://h/dé", "postgres://h/d;x"),
    ],
)
def test_a_url_that_libpq_and_django_might_read_in_two_ways(url: str) -> None:
    with pytest.raises(Fallback):
        fast_path._url(url)


@pytest.mark.parametrize("arguments", [["--plan"], ["shop"], ["--log-format"], ["--log-format=yaml"], ["-v2"], ["--"]])
def test_an_argument_that_is_not_known(arguments: list[str]) -> None:
    with pytest.raises(Fallback):
        fast_path._log_format("migrate", arguments)


@pytest.mark.parametrize("name", ["showmigrations", "runserver", "shell", "--version", "migrate-all", ""])
def test_another_command_is_none_of_its_business(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert not fast_path.answers(["manage.py", name])
    assert not fast_path.answers(["manage.py"])
    assert capsys.readouterr() == ("", "")


def test_a_library_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "libpq.so").write_bytes(b"no library")
    with pytest.raises(OSError, match=r"libpq\.so"):
        libpq.Library(str(tmp_path / "libpq.so"))


def test_folders_are_compared_once_each_absolute_and_existing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = ["", str(tmp_path), "/", f"{tmp_path}/../{tmp_path.name}", str(tmp_path / "none.zip"), "/"]
    assert manifest_file.search_path(given) == [str(tmp_path), "/"]
