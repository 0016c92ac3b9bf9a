"""The file of a snapshot: written whole, read in parts, and refused where a byte of it is another."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from lockgate.boot.snapshot import document
from lockgate.boot.snapshot.document import Header, Unreadable
from lockgate.facts import Fingerprint, Key

HEADER = Header(
    recorded={Key("shop", "0002_b"): Fingerprint("s2", "m2"), Key("shop", "0001_a"): Fingerprint("s1", "m1")},
    server=16,
    alias="default",
    collation="C",
    extensions={"vector": "0.8.0"},
    settings=("TIME_ZONE",),
    settings_digest="d",
    varying=("public.t.made",),
)
STATEMENTS = [f"INSERT INTO t VALUES ({number}, '{'ä' * 1000}');" for number in range(200)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "snapshot.sql"
    document.write(made, HEADER, STATEMENTS)
    return made


def test_what_is_written_is_read(path: Path) -> None:
    assert document.read(path) == HEADER
    assert list(document.read(path).recorded) == list(HEADER.recorded)
    assert b"".join(document.parts(path, HEADER)).decode().splitlines() == STATEMENTS


def test_it_is_read_in_parts_of_whole_statements(path: Path) -> None:
    parts = list(document.parts(path, HEADER))
    assert len(parts) > 3
    assert all(part.endswith(b"');\n") for part in parts)
    assert max(map(len, parts)) < document.PART + 3000


def test_nothing_else_is_left_beside_it(path: Path) -> None:
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("at", [0, 100, 200, 700, 5000, -2])
def test_any_other_byte_is_noticed(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    with pytest.raises(Unreadable):
        document.read(path)


def test_a_file_that_changes_between_looking_and_loading_is_noticed(path: Path) -> None:
    header = document.read(path)
    path.write_bytes(path.read_bytes().replace(b"VALUES (7,", b"VALUES (8,"))
    with pytest.raises(Unreadable, match="changed while it was loaded"):
        list(document.parts(path, header))


def test_the_digest_is_of_names_and_meanings(path: Path) -> None:
    source = {key: Fingerprint("other", found.meaning) for key, found in HEADER.recorded.items()}
    meaning = {key: Fingerprint(found.source, "other") for key, found in HEADER.recorded.items()}
    assert dataclasses.replace(HEADER, recorded=source).digest == HEADER.digest
    assert dataclasses.replace(HEADER, recorded=meaning).digest != HEADER.digest


def test_a_row_that_holds_the_line_between_parts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unreadable):
        document.write(tmp_path / "s.sql", HEADER, [f"INSERT INTO t VALUES ('\n{HEADER.boundary.decode()}');"])
    assert list(tmp_path.iterdir()) == []
