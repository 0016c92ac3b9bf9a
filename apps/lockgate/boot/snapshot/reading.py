"""The snapshot's file as bytes, read without Django: what a start needs of it. What is in it: ``document``.

The SQL is in parts, each a few whole statements and the line that ends them. An empty part stands between what
migrations make and what post_migrate makes on top of it, where that is there.
"""

TITLE = b"-- Lockgate snapshot, format 2: made by manage.py buildsnapshot. Not to be edited.\n"
CHECKSUM = b"-- sha256 "
HEADER = b"-- "
CHUNK = 1 << 20  # bytes read at once for the checksum

TYPE_CHECKING = False  # as in manifest.py
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO


class Unreadable(ValueError):
    """A file that is no snapshot, or not whole; its text says why."""


def checksum(file: "IO[bytes]") -> str:
    """What the file says its checksum is; reads its first two lines. Raises Unreadable."""
    if file.readline() != TITLE:
        raise Unreadable("it is not a snapshot of format 2")
    return file.readline().decode("ascii", "replace").removeprefix(CHECKSUM.decode()).strip()


def boundary(digest: str) -> bytes:
    """The line that ends a part. digest: the migrations', so that two builds of a release are the same file."""
    return f"-- part of {digest[:32]}\n".encode()


def verify(path: str, expected: str) -> None:
    """Raise Unreadable unless the file is whole, and the one that has this checksum; or OSError."""
    from hashlib import sha256  # noqa: PLC0415  most starts read no snapshot

    with open(path, "rb") as file:  # noqa: PTH123
        said, found = checksum(file), sha256()
        while chunk := file.read(CHUNK):
            found.update(chunk)
    if not said == expected == found.hexdigest():
        raise Unreadable("it is not the one that the manifest was made with")


def parts(path: str, end: bytes, *, settled: bool = False) -> "Iterator[bytes]":
    """The header's JSON, then the SQL, a few statements at a time.

    end: the boundary. settled: whether what post_migrate makes is wanted.
    Raises Unreadable, at the end at the latest, where the file is not whole; or OSError.
    """
    from hashlib import sha256  # noqa: PLC0415  most starts read no snapshot

    with open(path, "rb") as file:  # noqa: PTH123
        said = checksum(file)
        line = file.readline()
        found, part, wanted = sha256(line), bytearray(), True
        yield line.removeprefix(HEADER)
        for line in file:
            found.update(line)
            if line != end:
                part += line
                continue
            wanted = wanted and (settled or bool(part))
            if wanted and part:
                yield bytes(part)
            part.clear()
    if found.hexdigest() != said or part:
        raise Unreadable("it was changed while it was loaded")
