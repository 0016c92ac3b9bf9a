"""Which libpq psycopg calls, in a process that has loaded another one beside it."""

from __future__ import annotations

import os
import subprocess
import sys
from ctypes.util import find_library
from pathlib import Path

import psycopg
import pytest

from tests.support.libpqs import ANOTHER
from tests.support.sites import ROOT

TELL = """
import ctypes, os, sys
before, after = sys.argv[1:]
before and ctypes.CDLL(before)
import psycopg
after and ctypes.CDLL(after)
from lockgate.database import connect_failure, loaded_libpq
mapped = {os.path.basename(line.split()[-1]) for line in open("/proc/self/maps") if "/libpq" in line}
try:
    found = loaded_libpq.file()
    assert ctypes.CDLL(found).PQlibVersion() == psycopg.pq.version()
    assert connect_failure._libpq()._name == found
except loaded_libpq.Unknown as unknown:
    found = unknown
    assert connect_failure._libpq() is None
print(psycopg.pq.__impl__, len(mapped), found)
"""


def told(before: str = "", after: str = "", **environment: str) -> tuple[str, int, str]:
    """Which psycopg it is, how many libpqs are mapped, and the file that psycopg's is found to be, or why not.

    before, after: a library that is loaded before, or after, psycopg is.
    """
    environ = {"PYTHONPATH": str(ROOT / "apps"), "PATH": os.environ["PATH"], **environment}
    command = [sys.executable, "-c", TELL, before, after]
    done = subprocess.run(command, env=environ, check=True, capture_output=True, text=True)
    kind, mapped, found = done.stdout.strip().split(" ", 2)
    return kind, int(mapped), found


def bundled() -> Path:
    if psycopg.pq.__impl__ != "binary":
        pytest.skip("psycopg does not bring its libpq here")
    return Path(psycopg.__file__).parent.with_name("psycopg_binary.libs").resolve()


@pytest.mark.parametrize("when", ["before", "after"])
def test_of_two_it_is_the_one_that_psycopg_brought(when: str) -> None:
    """As with GeoDjango, whose GDAL brings the system's."""
    kind, mapped, found = told(**{when: ANOTHER})
    assert (kind, mapped, Path(found).parent) == ("binary", 2, bundled())


def test_where_there_is_one_it_is_that() -> None:
    kind, mapped, found = told()
    assert (kind, mapped, Path(found).parent) == ("binary", 1, bundled())


@pytest.mark.skipif(not find_library("pq"), reason="the system has no libpq")
@pytest.mark.parametrize("after", ["", ANOTHER])
def test_without_compiled_parts_it_is_the_one_that_psycopg_has_found(after: str) -> None:
    kind, _, found = told(after=after, PSYCOPG_IMPL="python")
    assert (kind, Path(found).name.startswith("libpq.so.5")) == ("python", True)
    assert found == os.path.realpath(found)
    assert found != os.path.realpath(ANOTHER)


def test_one_that_stands_in_for_psycopgs_own_is_not_taken_for_it() -> None:
    """The linker gives its functions to everybody; psycopg's own is mapped all the same."""
    _, mapped, found = told(LD_PRELOAD=ANOTHER)
    assert (mapped, found) == (2, "psycopg (binary) calls another libpq than the one that it was linked with")
