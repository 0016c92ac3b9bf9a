"""The file: a line that says what it is, a checksum of all that follows, one line of JSON, and SQL.

The SQL is in parts (``reading``), each a few whole statements, so that it is sent without anybody having to know where
a statement ends. A file that does not have its checksum is not loaded, whatever it says.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import django

import lockgate
from lockgate.facts import Fingerprint, Key
from lockgate.snapshot import reader
from lockgate.snapshot.reader import Content, Unreadable

PART = 1 << 16  # bytes of SQL sent at once: few round trips, and little memory on either side


@dataclass(frozen=True)
class Header:
    """What a snapshot is of, and what it was made with.

    recorded: the rows of django_migrations in their order; those of replaced migrations have no fingerprint.
    server: major version. extensions: name to version. settings: names that migrations read, and a digest of values.
    varying: columns that differ between two replays, as ``schema.table.column``.
    settled: digest of what the rows that post_migrate makes come from; empty where those are not in the file.
    """

    recorded: Mapping[Key, Fingerprint]
    server: int
    alias: str
    collation: str
    extensions: Mapping[str, str]
    settings: tuple[str, ...]
    settings_digest: str
    varying: tuple[str, ...] = ()
    settled: str = ""
    django: str = django.get_version()
    lockgate: str = lockgate.__version__

    @property
    def digest(self) -> str:
        """sha256 over the migrations' names and meanings."""
        lines = [f"{key} {fingerprint.ast_digest}" for key, fingerprint in sorted(self.recorded.items())]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    @property
    def boundary(self) -> bytes:
        """The line that ends a part."""
        return reader.boundary(self.digest)


def write(path: Path, header: Header, statements: Iterable[str], settled: Iterable[str] = ()) -> None:
    """Write the file, whole or not at all: under another name first. Raises OSError.

    settled: the statements that make what post_migrate makes; only where the header has a digest for them.
    """
    new = path.with_name(f".{path.name}.{os.getpid()}")
    body = new.with_suffix(".body")
    try:
        checksum = hashlib.sha256(_line(header))
        with body.open("wb") as file:
            for line in _lines(header, statements, settled):
                checksum.update(line)
                file.write(line)
        with new.open("wb") as file, body.open("rb") as written:
            file.write(reader.TITLE + reader.CHECKSUM + checksum.hexdigest().encode() + b"\n" + _line(header))
            while chunk := written.read(reader.CHUNK):
                file.write(chunk)
        new.replace(path)
    finally:
        body.unlink(missing_ok=True)
        new.unlink(missing_ok=True)


def header(content: Content) -> Header:
    """What it is of. Raises ValueError, TypeError or KeyError where it is not said as it is today."""
    return _header(json.loads(content.header))


def parts(content: Content, header_lines: Header) -> Iterator[bytes]:
    """The SQL of migrations, a few statements at a time. Raises Unreadable."""
    return content.parts(header_lines.boundary)


def settled_parts(content: Content, header_lines: Header) -> Iterator[bytes]:
    """The SQL of what post_migrate makes, likewise."""
    number = sum(1 for _ in parts(content, header_lines))
    return itertools.islice(content.parts(header_lines.boundary, settled=True), number, None)


def _lines(header: Header, statements: Iterable[str], settled: Iterable[str]) -> Iterator[bytes]:
    yield from _parts(statements, header.boundary)
    if header.settled:
        yield header.boundary  # an empty part
        yield from _parts(settled, header.boundary)


def _parts(statements: Iterable[str], boundary: bytes) -> Iterator[bytes]:
    """Parts, none of which is empty."""
    size = 0
    for statement in statements:
        line = f"{statement}\n".encode()
        if boundary in line:
            raise Unreadable("a row of it holds the line that is to stand between its parts")
        size += len(line)
        yield line
        if size >= PART:
            yield boundary
            size = 0
    if size:
        yield boundary


def _line(header: Header) -> bytes:
    plain = {
        **vars(header),
        "digest": header.digest,
        "recorded": [
            [*key, fingerprint.file_digest, fingerprint.ast_digest] for key, fingerprint in header.recorded.items()
        ],
    }
    return f"-- {json.dumps(plain, default=dict)}\n".encode()


def _header(plain: dict[str, Any]) -> Header:
    recorded = {Key(app, name): Fingerprint(*digests) for app, name, *digests in plain.pop("recorded")}
    del plain["digest"]
    plain["settings"], plain["varying"] = tuple(plain["settings"]), tuple(plain["varying"])
    return Header(recorded=recorded, **plain)
