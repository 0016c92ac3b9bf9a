"""The snapshot's file as bytes, read without Django: what a start needs of it. What is in it: ``snapshot_file``.

Invariant: it is opened once and read once, so what was looked at, owner and mode included, is what is run, whatever
becomes of its name meanwhile.

The SQL is in parts, each a few whole statements and the line that ends them. An empty part stands between what
migrations make and what post_migrate makes on top of it, where that is there.
"""

import io
import os
import stat

TITLE = b"-- Lockgate snapshot, format 2: made by manage.py lockgate snapshot. Not to be edited.\n"
CHECKSUM = b"-- sha256 "
HEADER = b"-- "
CHUNK = 1 << 20  # bytes copied at once while it is written
LARGEST = 64 << 20  # policy.SNAPSHOT_LARGEST, whose import would cost more than a load

TYPE_CHECKING = False  # as in manifest_file.py
if TYPE_CHECKING:
    from collections.abc import Iterator


class Unreadable(ValueError):
    """A file that is no snapshot, not whole, or not to be trusted; its text says why."""


class Content:
    """The bytes of a snapshot that is whole. checksum: sha256 of all that follows its second line.

    header: one line of JSON.
    """

    def __init__(self, data: bytes) -> None:
        """Raises Unreadable."""
        from hashlib import sha256  # noqa: PLC0415  most starts read no snapshot

        if not data.startswith(TITLE):
            raise Unreadable("it is not a snapshot of format 2")
        file = io.BytesIO(data)  # which copies nothing
        file.seek(len(TITLE))
        said, begin = file.readline(), file.tell()
        self.checksum = sha256(memoryview(data)[begin:]).hexdigest()
        if said != CHECKSUM + self.checksum.encode() + b"\n":
            raise Unreadable("its checksum is wrong: it was edited, or is not whole")
        self.header = file.readline().removeprefix(HEADER)
        self._data, self._begin = data, file.tell()

    def parts(self, end: bytes, *, settled: bool = False) -> "Iterator[bytes]":
        """The SQL, a few statements at a time.

        end: the boundary. settled: whether what post_migrate makes is wanted.
        Raises Unreadable where it does not end with a boundary.
        """
        file = io.BytesIO(self._data)
        file.seek(self._begin)
        part, more = bytearray(), True
        for line in file:
            if line != end:
                part += line
                continue
            more = more and (settled or bool(part))
            if more and part:
                yield bytes(part)
            part.clear()
        if part:
            raise Unreadable("its last part has no end")


def boundary(digest: str) -> bytes:
    """The line that ends a part. digest: the migrations', so that two builds of a release are the same file."""
    return f"-- part of {digest[:32]}\n".encode()


def read(path: str) -> Content:
    """Of whosever file. Raises Unreadable, or OSError."""
    return _read(path, of_anybody=True)


def trusted(path: str, expected: str) -> Content:
    """What may be run: nobody but root and this user can have written it, and its checksum is the one expected.

    Raises Unreadable, or OSError.
    """
    content = _read(path, of_anybody=False)
    if content.checksum != expected:
        raise Unreadable("it is not the one that the manifest was made with")
    return content


def _read(path: str, *, of_anybody: bool) -> Content:
    # A FIFO in its place must not be waited for. Where it is a link, what was opened is looked at.
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:  # noqa: PTH123
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise Unreadable("it is no file")
        if not of_anybody and (why := _why_not_ours(path, status)):
            raise Unreadable(why)
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise Unreadable(f"it is larger than {LARGEST >> 20} MiB")
    return Content(data)


def _why_not_ours(path: str, status: os.stat_result) -> str:
    if status.st_uid not in (0, us := os.geteuid()):
        return f"it belongs to user {status.st_uid}, who is neither root nor who migrates ({us})"
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"others than its owner can write to it (mode {stat.S_IMODE(status.st_mode):04o}):  chmod go-w {path}"
    return ""
