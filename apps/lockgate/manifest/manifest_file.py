"""The manifest of a release: what its migrations come to, and everything that this rests on.

The file is JSON. Its first member, ``start``, is laid out so that a start can read it without a parser (importing one
costs a sixth of that start): one string a line, fields parted by spaces, every other character that JSON or this form
gives a meaning to percent-encoded. Invariant: ``why_stale`` is empty only where every line is as it was at build.
"""

import os
import sys

TYPE_CHECKING = False  # the real one is in typing, which costs a fifth of a start
if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = "1"
NAME = "lockgate-manifest.json"
VARIABLE = "LOCKGATE_MANIFEST"

_HEAD = '{"start": [\n'
_END = "\n],"
_NOT_PLAIN = frozenset(' %"\\,')

# Two seconds: a file that was written so shortly before the manifest may be written again without a newer time stamp,
# because file systems and archives keep those in steps of up to two seconds. Its content is looked at instead.
RACY_NANOSECONDS = 2 * 10**9
_SECOND = 10**9

EVERY, MODULES, NAMED = "every", "modules", "named"  # which entries of a folder count
MODULE_ENDINGS = (".py", ".pyc", ".so", ".pyd")


class Unusable(Exception):
    """There is no manifest, or it cannot be read."""


class Fallback(Exception):
    """Why Lockgate falls back to a full start."""


class Manifest:
    """What a start needs of a manifest. lines: what follows each kind of line, in order."""

    def __init__(self, text: str) -> None:
        body, end, rest = text.partition(_END)
        if not text.startswith(_HEAD) or not end or not rest.endswith("}\n"):
            raise Unusable("it is not a manifest, or not all of one")
        self.rest = rest
        self.lines: dict[str, list[str]] = {}
        for line in body[len(_HEAD) :].split("\n"):
            kind, _, fields = line.strip('",').partition(" ")
            self.lines.setdefault(kind, []).append(fields)
        if self.lines.get("format") != [FORMAT]:
            raise Unusable("it is of another format")
        if self.one("sum") != _sum(body.rpartition("\n")[0]):
            raise Unusable("it is damaged")

    def all(self, kind: str) -> list[str]:
        return self.lines.get(kind, [])

    def one(self, kind: str) -> str:
        """The only line of a kind, decoded. Raises Unusable."""
        values = self.all(kind)
        if len(values) != 1:
            raise Unusable(f"it has {len(values)} lines of kind {kind}")
        return decoded(values[0])


def place(script: str, environ: "Mapping[str, str]") -> str:
    """Where the manifest of a start is. script: what Python was started with."""
    folder = os.path.dirname(os.path.abspath(script))  # noqa: PTH100, PTH120
    return environ.get(VARIABLE) or f"{folder}/{NAME}"


def read(path: str) -> Manifest:
    """The manifest in a file. Raises Unusable."""
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123  pathlib is not loaded yet
            return Manifest(file.read())
    except FileNotFoundError:
        raise Unusable("there is none") from None
    except (OSError, ValueError):
        raise Unusable("it cannot be read") from None


def written(lines: list[str], document: str) -> str:
    """The text of a manifest. lines: for a start. document: the other members, as JSON without its outer braces."""
    body = _HEAD + ",\n".join(f'"{line}"' for line in [f"format {FORMAT}", *lines])
    return f'{body},\n"sum {_sum(body + ",")}"{_END}\n{document}}}\n'


def _sum(text: str) -> str:
    from zlib import crc32  # noqa: PLC0415

    return str(crc32(text.encode()))


def encoded(text: str) -> str:
    """One field of a line."""
    if text.isascii() and text.isprintable() and not _NOT_PLAIN.intersection(text):
        return text
    return "".join(
        chr(byte) if 32 < byte < 127 and chr(byte) not in _NOT_PLAIN else f"%{byte:02x}" for byte in os.fsencode(text)
    )


def extensions(manifest: Manifest) -> list[str]:
    """The extensions that the project wants."""
    return [decoded(extension) for extension in manifest.all("extension")]


def decoded(field: str) -> str:
    if "%" not in field:
        return field
    first, *rest = field.encode().split(b"%")
    return os.fsdecode(first + b"".join(bytes.fromhex(part[:2].decode()) + part[2:] for part in rest))


def digest(salt: str, content: bytes) -> str:
    """What stands for a file's content or a variable's value: of no use without the manifest that holds the salt."""
    from hashlib import blake2b  # noqa: PLC0415  most starts need none

    return blake2b(content, key=bytes.fromhex(salt), digest_size=16).hexdigest()


# What is compared. Each function is the build's as well, so that both sides are always made alike.


def interpreter() -> str:
    return f"{sys.version} {sys.prefix} {sys.flags.optimize}"


def search_path(entries: list[str]) -> list[str]:
    """The folders that modules come from: absolute, each once, those that exist.

    ``python -P``, a PYTHONPATH that repeats a folder, and another working folder do not show.
    """
    paths = dict.fromkeys(os.path.abspath(entry) for entry in entries)  # noqa: PTH100
    return [entry for entry in paths if os.path.isdir(entry)]  # noqa: PTH112


def is_site(folder: str) -> bool:
    return folder.endswith(("site-packages", "dist-packages"))


def distributions(folder: str) -> str:
    """The names and versions of what is installed in a folder, and what adds to the search path."""
    endings = (".dist-info", ".egg-info", ".egg-link", ".pth")
    try:
        return "/".join(sorted(name for name in os.listdir(folder) if name.endswith(endings)))  # noqa: PTH208
    except OSError:
        return ""


def stamps(kind: str, folder: str, names: list[str]) -> list[tuple[str, int, int]]:
    """The entries of a folder that count, sorted: name, size in bytes, time of change in nanoseconds.

    names: those that count where the kind is NAMED. Raises OSError where one of those, or the folder, is not there.
    """
    if kind == NAMED:
        stats = [(name, os.stat(f"{folder}/{name}")) for name in names]  # noqa: PTH116
        return [(name, at.st_size, at.st_mtime_ns) for name, at in stats]
    with os.scandir(folder) as entries:
        return sorted(stamp for entry in entries if (stamp := _stamp(kind, entry)))


def _stamp(kind: str, entry: "os.DirEntry[str]") -> tuple[str, int, int] | None:
    name = entry.name
    if kind == MODULES and not name.endswith(MODULE_ENDINGS):
        # A folder counts where it is a package: a new one can take the place of a module found further on.
        is_package = entry.is_dir() and os.path.exists(f"{entry.path}/__init__.py")  # noqa: PTH110
        return (name, -1, 0) if is_package else None
    if not entry.is_file():
        return None
    at = entry.stat()
    return name, at.st_size, at.st_mtime_ns


def folder_line(
    kind: str, folder: str, entries: list[tuple[str, int, int]], racy_after: int, contents: list[str]
) -> str:
    """A watched folder. racy_after: from when on a time of change proves nothing. contents: each entry's digest."""
    whole = "/".join(f"{name}:{size}:{-1 if at > racy_after else at // _SECOND}" for name, size, at in entries)
    parts = "/".join(str(at % _SECOND) for _, _, at in entries)
    return " ".join(["folder", kind, encoded(folder), encoded(whole), parts, "/".join(contents)])


def why_stale(
    manifest: Manifest, environ: "Mapping[str, str]", settings: str, entries: list[str], script: str = ""
) -> str:
    """The first thing that is not as it was when the manifest was made; empty where all is.

    settings: name of the settings module. entries: sys.path of the start. script: what Python was started with.
    """
    return (
        next((decoded(value) for value in manifest.all("obstacle")), "")
        or (interpreter() != manifest.one("interpreter") and "it was made by another Python")
        or (settings != manifest.one("settings") and "it was made under other settings")
        or (os.path.abspath(script) != manifest.one("script") and "it was made by another script")  # noqa: PTH100
        or (search_path(entries) != [decoded(value) for value in manifest.all("path")] and "sys.path is another one")
        or _changed_variable(manifest, environ)
        or why_files_differ(manifest)
        or ""
    )


def _changed_variable(manifest: Manifest, environ: "Mapping[str, str]") -> str:
    """Values are compared by their keyed digest; neither they nor it is ever shown."""
    for line in manifest.all("variable"):
        name, _, expected = line.partition(" ")
        value = environ.get(decoded(name))
        now = "unset" if value is None else "set" if expected == "unset" else _of_value(manifest, value)
        if now != expected:
            return f"the settings read {decoded(name)}, which is another one now"
    return ""


def _of_value(manifest: Manifest, value: str) -> str:
    return digest(manifest.one("salt"), os.fsencode(value))


def why_files_differ(manifest: Manifest, kinds: tuple[str, ...] = (EVERY, MODULES, NAMED)) -> str:
    """The first file, folder or installed distribution that is not as it was; empty where all are."""
    for line in manifest.all("distributions"):
        folder, _, names = line.partition(" ")
        if distributions(decoded(folder)) != decoded(names):
            return f"other packages are installed in {decoded(folder)}"
    for line in manifest.all("absent"):
        if os.path.exists(decoded(line)):  # noqa: PTH110
            return f"{decoded(line)} is new"
    for line in manifest.all("folder"):
        kind, folder, rest = line.split(" ", 2)
        if kind in kinds and (changed := _changed_file(manifest, kind, decoded(folder), rest)):
            return changed
    return ""


def _changed_file(manifest: Manifest, kind: str, folder: str, rest: str) -> str:
    """Time stamps first, all of a folder at once; contents where a stamp says nothing."""
    field, parts, contents = rest.split(" ")
    whole = decoded(field)
    names = [entry.rsplit(":", 2)[0] for entry in whole.split("/")] if kind == NAMED else []
    try:
        current = stamps(kind, folder, names)
        now = "/".join([f"{name}:{size}:{at // _SECOND}" for name, size, at in current])
        if now == whole and parts == "/".join([str(at % _SECOND) for _, _, at in current]):
            return ""
        known = zip(whole.split("/"), parts.split("/"), contents.split("/"), strict=True)
        return _changed_entry(manifest.one("salt"), folder, current, known)
    except OSError:
        return f"{folder} cannot be read"


def _changed_entry(
    salt: str, folder: str, current: list[tuple[str, int, int]], known: "zip[tuple[str, str, str]]"
) -> str:
    """Entry by entry. known: of each its stamp to the second, the rest of that second, and its content's digest."""
    expected = {stamp.rsplit(":", 2)[0]: (stamp, part, content) for stamp, part, content in known if stamp}
    for name, size, at in current:
        if name not in expected:
            return f"{folder}/{name} is new"
        stamp, part, content = expected.pop(name)
        # Layers of an image keep whole seconds: exactly that cut is the same time stamp.
        same = f"{name}:{size}:{at // _SECOND}" == stamp and at % _SECOND in (0, int(part))
        if not same and content_digest(salt, f"{folder}/{name}", size) != content:
            return f"{folder}/{name} has changed"
    return f"{folder}/{next(iter(expected))} is gone" if expected else ""


def content_digest(salt: str, path: str, size: int) -> str:
    """Of a file's bytes; of a folder, which has a size of -1, there is none."""
    if size < 0:
        return ""
    with open(path, "rb") as file:  # noqa: PTH123
        return digest(salt, file.read())
