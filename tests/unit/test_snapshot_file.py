"""The file of a snapshot: written whole, read in parts, and refused where a byte of it is another."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from lockgate import policy
from lockgate.facts import Fingerprint, Key
from lockgate.snapshot import reader, snapshot_file
from lockgate.snapshot.reader import Content, Unreadable
from lockgate.snapshot.snapshot_file import Header
from tests.support.sites import ROOT

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
    new_path = tmp_path / "snapshot.sql"
    snapshot_file.write(new_path, HEADER, STATEMENTS)
    return new_path


def read(path: Path) -> Content:
    return reader.read(str(path))


def test_what_is_written_is_read(path: Path) -> None:
    header = snapshot_file.header(read(path))
    assert header == HEADER
    assert list(header.recorded) == list(HEADER.recorded)
    assert b"".join(snapshot_file.parts(read(path), HEADER)).decode().splitlines() == STATEMENTS


def test_it_is_read_in_parts_of_whole_statements(path: Path) -> None:
    parts = list(snapshot_file.parts(read(path), HEADER))
    assert len(parts) > 3
    assert all(part.endswith(b"');\n") for part in parts)
    assert max(map(len, parts)) < snapshot_file.PART + 3000


def test_nothing_else_is_left_beside_it(path: Path) -> None:
    assert [one_path.name for one_path in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("at", [0, 100, 200, 700, 5000, -2])
def test_any_other_byte_is_noticed(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    with pytest.raises(Unreadable):
        read(path)


def checksum(path: Path) -> str:
    return read(path).checksum


@pytest.mark.parametrize("swap", ["written over", "replaced"])
def test_what_was_verified_is_run_whatever_becomes_of_the_file(path: Path, swap: str) -> None:
    content = reader.trusted(str(path), checksum(path))
    hostile = path.with_name("hostile.sql")
    snapshot_file.write(hostile, HEADER, ["DROP SCHEMA public CASCADE;"])
    if swap == "replaced":
        hostile.replace(path)
    else:
        path.write_bytes(hostile.read_bytes())
    assert b"".join(snapshot_file.parts(content, HEADER)).decode().splitlines() == STATEMENTS


def test_another_whole_snapshot_is_not_the_one_expected(path: Path) -> None:
    expected = checksum(path)
    snapshot_file.write(path, HEADER, ["DROP SCHEMA public CASCADE;"])
    with pytest.raises(Unreadable, match="not the one that the manifest was made with"):
        reader.trusted(str(path), expected)


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666, 0o620])
def test_what_others_can_write_to_is_not_trusted(path: Path, mode: int) -> None:
    expected = checksum(path)
    path.chmod(mode)
    with pytest.raises(Unreadable, match=rf"others than its owner can write to it \(mode {mode:04o}\):  chmod go-w /"):
        reader.trusted(str(path), expected)


@pytest.mark.parametrize("mode", [0o644, 0o600, 0o444, 0o755])
def test_what_only_its_owner_can_write_to_is_trusted(path: Path, mode: int) -> None:
    expected = checksum(path)
    path.chmod(mode)
    assert reader.trusted(str(path), expected).checksum == expected


AS_ANOTHER = """
import hashlib, os, sys  # all that is imported, while this user can read it
from lockgate.snapshot import reader
os.setgroups([])
os.setgid(4711)
os.setuid(4711)
try:
    print(reader.trusted(sys.argv[1], sys.argv[2]).checksum == sys.argv[2])
except reader.Unreadable as error:
    print(error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can have files of several users")
@pytest.mark.parametrize(
    ("owner", "said"),
    [(0, "True"), (4711, "True"), (4712, "it belongs to user 4712, who is neither root nor who migrates (4711)")],
)
def test_a_file_of_root_or_of_who_migrates(owner: int, said: str) -> None:
    """As in an image: root's, mode 0644, read by a user who can write nothing."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "snapshot.sql"
        snapshot_file.write(path, HEADER, STATEMENTS)
        Path(folder).chmod(0o755)
        path.chmod(0o644)
        os.chown(path, owner, -1)
        environ = {"PYTHONPATH": str(ROOT / "apps"), "PYTHONDONTWRITEBYTECODE": "1"}
        asked = [sys.executable, "-c", AS_ANOTHER, str(path), checksum(path)]
        done = subprocess.run(asked, env=environ, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == said


def test_a_link_is_judged_by_what_it_leads_to(path: Path) -> None:
    """A volume of Kubernetes is made of links."""
    link = path.with_name("link.sql")
    link.symlink_to(path)
    expected = checksum(path)
    assert reader.trusted(str(link), expected).checksum == expected
    path.chmod(0o666)
    with pytest.raises(Unreadable, match="others than its owner"):
        reader.trusted(str(link), expected)


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(Unreadable, match="it is no file"):
        reader.trusted(str(tmp_path / "fifo"), "")
    with pytest.raises(OSError, match="directory"):
        reader.trusted(str(tmp_path), "")


def test_it_is_read_up_to_a_bound(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert policy.SNAPSHOT_LARGEST == reader.LARGEST
    size = path.stat().st_size
    monkeypatch.setattr(reader, "LARGEST", size)
    read(path)
    monkeypatch.setattr(reader, "LARGEST", size - 1)
    with pytest.raises(Unreadable, match="it is larger than"):
        read(path)


def test_the_digest_is_of_names_and_meanings(path: Path) -> None:
    source = {key: Fingerprint("other", fingerprint.ast_digest) for key, fingerprint in HEADER.recorded.items()}
    meaning = {key: Fingerprint(fingerprint.file_digest, "other") for key, fingerprint in HEADER.recorded.items()}
    assert dataclasses.replace(HEADER, recorded=source).digest == HEADER.digest
    assert dataclasses.replace(HEADER, recorded=meaning).digest != HEADER.digest


def test_a_row_that_holds_the_line_between_parts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unreadable):
        snapshot_file.write(tmp_path / "s.sql", HEADER, [f"INSERT INTO t VALUES ('\n{HEADER.boundary.decode()}');"])
    assert list(tmp_path.iterdir()) == []
