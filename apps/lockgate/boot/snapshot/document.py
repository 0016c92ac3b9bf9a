"""The file: a line that says what it is, a checksum of all that follows, one line of JSON, and SQL.

The SQL is in parts, each a few whole statements, so that it is loaded without being read whole and without anybody
having to know where a statement ends. A file that does not have its checksum is not loaded, whatever it says.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import django

import lockgate
from lockgate.facts import Fingerprint, Key

FORMAT = 1
_TITLE = f"-- Lockgate snapshot, format {FORMAT}: made by manage.py buildsnapshot. Not to be edited.\n"
_CHECKSUM = "-- sha256 "
_CHUNK = 1 << 20  # bytes read at once for the checksum
PART = 1 << 16  # bytes of SQL sent at once: few round trips, and little memory on either side


class Unreadable(ValueError):
    """A file that is no snapshot, or not whole; its text says why."""


@dataclass(frozen=True)
class Header:
    """What a snapshot is of, and what it was made with.

    recorded: the rows of django_migrations in their order; those of replaced migrations have no fingerprint.
    server: major version. extensions: name to version. settings: names that migrations read, and a digest of values.
    varying: columns that differ between two replays, as ``schema.table.column``.
    """

    recorded: Mapping[Key, Fingerprint]
    server: int
    alias: str
    collation: str
    extensions: Mapping[str, str]
    settings: tuple[str, ...]
    settings_digest: str
    varying: tuple[str, ...] = ()
    django: str = django.get_version()
    lockgate: str = lockgate.__version__

    @property
    def digest(self) -> str:
        """sha256 over the migrations' names and meanings."""
        lines = [f"{key} {found.meaning}" for key, found in sorted(self.recorded.items())]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    @property
    def boundary(self) -> str:
        """The line between parts: made from the digest, so that two builds of a release are the same file."""
        return f"-- part of {self.digest[:32]}\n"


def write(path: Path, header: Header, statements: Iterable[str]) -> None:
    """Write the file, whole or not at all: under another name first. Raises OSError."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    body = new.with_suffix(".body")
    try:
        checksum = hashlib.sha256(_line(header))
        with body.open("wb") as file:
            for line in _parts(statements, header.boundary):
                checksum.update(line)
                file.write(line)
        with new.open("wb") as file, body.open("rb") as written:
            file.write(f"{_TITLE}{_CHECKSUM}{checksum.hexdigest()}\n".encode() + _line(header))
            while chunk := written.read(_CHUNK):
                file.write(chunk)
        new.replace(path)
    finally:
        body.unlink(missing_ok=True)
        new.unlink(missing_ok=True)


def read(path: Path) -> Header:
    """The header of a file that has been found whole. Raises Unreadable, or FileNotFoundError."""
    try:
        with path.open("rb") as file:
            checksum = _expected(file)
            line = file.readline()
            found = hashlib.sha256(line)
            while chunk := file.read(_CHUNK):
                found.update(chunk)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Unreadable(f"it cannot be read: {error.strerror}") from error
    if found.hexdigest() != checksum:
        raise Unreadable("its checksum is wrong: it was edited, or is not whole")
    return _header(json.loads(line.removeprefix(b"-- ")))


def parts(path: Path, header: Header) -> Iterator[bytes]:
    """The SQL, a few statements at a time. Raises Unreadable where the file is another one by now."""
    boundary = header.boundary.encode()
    with path.open("rb") as file:
        checksum = _expected(file)
        line = file.readline()
        found, part = hashlib.sha256(line), bytearray()
        for line in file:
            found.update(line)
            if line == boundary:
                yield bytes(part)
                part.clear()
            else:
                part += line
    if found.hexdigest() != checksum or part:
        raise Unreadable("it was changed while it was loaded")


def _expected(file: IO[bytes]) -> str:
    if file.readline() != _TITLE.encode():
        raise Unreadable(f"it is not a snapshot of format {FORMAT}")
    return file.readline().decode("ascii", "replace").removeprefix(_CHECKSUM).strip()


def _parts(statements: Iterable[str], boundary: str) -> Iterator[bytes]:
    size = 0
    for statement in statements:
        text = f"{statement}\n"
        if boundary in text:
            raise Unreadable("a row of it holds the line that is to stand between its parts")
        line = text.encode()
        size += len(line)
        yield line
        if size >= PART:
            yield boundary.encode()
            size = 0
    yield boundary.encode()


def _line(header: Header) -> bytes:
    plain = {
        **vars(header),
        "digest": header.digest,
        "recorded": [[*key, found.source, found.meaning] for key, found in header.recorded.items()],
    }
    return f"-- {json.dumps(plain, default=dict)}\n".encode()


def _header(plain: dict[str, Any]) -> Header:
    recorded = {Key(app, name): Fingerprint(*digests) for app, name, *digests in plain.pop("recorded")}
    del plain["digest"]
    plain["settings"], plain["varying"] = tuple(plain["settings"]), tuple(plain["varying"])
    return Header(recorded=recorded, **plain)
