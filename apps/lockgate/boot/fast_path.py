"""The fast path: finds out without Django whether manifest and database agree that there is nothing to do.

Invariant: only a yes is an answer. Any doubt, error or unknown argument leads to a full start, as if nothing had been
tried. docs/fast-path.md lists the conditions. An empty database is filled first, if the manifest names a snapshot that
covers all migrations (``boot.empty_database``).
"""

import os
import sys

from lockgate import sentences
from lockgate.manifest import manifest_file
from lockgate.manifest.manifest_file import Fallback, Manifest, Unusable

TYPE_CHECKING = False  # as in manifest_file.py
if TYPE_CHECKING:
    from collections.abc import Mapping

    from lockgate.boot.empty_database import Fields, Loaded
    from lockgate.boot.libpq import Session

# Seconds for connecting and the answer: as long as a full start gives one attempt to connect. Here and not in
# policy.py, because importing that costs half as much as all of this.
DEADLINE_SECONDS = 5.0
RELEASE_LENGTH = 255  # policy.RELEASE_LENGTH

EXPLAIN = "LOCKGATE_EXPLAIN_START"
_FLAGS = {"migrate": ("--noinput", "--no-input", "--check"), "lockgate wait": ()}
_FORMATS = ("text", "json")
# The event that says of a command that there is nothing to do, and its fields.
_OF_NOTHING: "dict[str, tuple[str, Fields]]" = {
    "migrate": ("nothing_pending", {"behind": False, "held": 0}),
    "lockgate wait": ("current", {"waited_seconds": 0.0, "held": 0}),
}
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_UNDEFINED_TABLE = "42P01"


def answers(argv: list[str]) -> bool:
    """Whether a command line is answered by this: then its line is printed, and the process may end with 0.

    LOCKGATE_EXPLAIN_START=1 has it say on stderr which path is taken, and why.
    """
    command, arguments = _split(argv)
    if command not in _FLAGS:
        return False
    try:
        log_format = _log_format(command, arguments)
        loaded = _ask(argv[0], command, arguments)
    except KeyboardInterrupt as stopped:
        name = str(stopped) or "SIGINT"
        sys.stderr.write(f"error: interrupted by {name}\n  state  nothing was changed\n  next   run again\n")
        sys.exit(1)
    except (Fallback, Unusable) as doubt:
        _explain(f"full start: {'the manifest: ' if isinstance(doubt, Unusable) else ''}{doubt}")
        return False
    except Exception as error:  # the full start reports it better
        _explain(f"full start: {type(error).__name__}")
        return False
    if loaded:
        _explain("the database was empty: the manifest's snapshot was loaded")
        for event, fields in loaded.events():
            _say(event, fields, log_format)
        return True
    _explain("manifest and database agree: Django was not loaded")
    if "--check" not in arguments:  # Django's has no words for this
        _say(*_OF_NOTHING[command], log_format)
    return True


def _split(argv: list[str]) -> tuple[str, list[str]]:
    """The command, with its verb where it is Lockgate's own, and its arguments."""
    words = 3 if argv[1:2] == ["lockgate"] else 2
    return " ".join(argv[1:words]), argv[words:]


def _explain(text: str) -> None:
    if os.environ.get(EXPLAIN) == "1":
        plain = "".join(
            character if character.isprintable() else " " for character in text
        )  # the server's words may be in it
        sys.stderr.write(f"start: {plain}\n")


def _log_format(command: str, arguments: list[str]) -> str:
    """What ``--log-format`` says. Raises Fallback for any argument that is not known here."""
    log_format, rest = "text", iter(arguments)
    for argument in rest:
        name, equals, value = argument.partition("=")
        if name == "--log-format":
            log_format = value if equals else next(rest, "")
            if log_format not in _FORMATS:
                raise Fallback("--log-format has no value that is known")
        elif argument not in _FLAGS[command]:
            raise Fallback("an argument asks for more than whether there is anything to do")
    return log_format


def _ask(script: str, command: str, arguments: list[str]) -> "Loaded | None":
    """Raises Fallback or Unusable unless manifest and database agree. Returns what was done about it, if anything."""
    environ = os.environ
    manifest = manifest_file.read(manifest_file.place(script, environ))
    url = _url(environ.get("DATABASE_URL", ""))
    _refuse_odd_options(manifest, environ)
    if why := manifest_file.why_stale(manifest, environ, environ.get("DJANGO_SETTINGS_MODULE", ""), sys.path, script):
        raise Fallback(why)
    from lockgate.boot import libpq  # noqa: PLC0415  ctypes, which only a start that gets here pays for

    try:
        session = libpq.Library(manifest.one("libpq")).connect(url, DEADLINE_SECONDS)
        try:
            return _agreed(session, manifest, command, arguments)
        finally:
            session.close()
    except libpq.NoAnswer as no_answer:
        raise Fallback(str(no_answer)) from None


def _agreed(session: "Session", manifest: Manifest, command: str, arguments: list[str]) -> "Loaded | None":
    from lockgate.boot.libpq import NoAnswer, statement  # noqa: PLC0415  as above

    expected = wanted(manifest, os.environ)
    try:
        row = session.row(statement("current"), expected)
    except NoAnswer as refused:
        if not refused.sqlstate:
            raise
        told = manifest.all("snapshot") or manifest.all("replay")
        if not told or refused.sqlstate != _UNDEFINED_TABLE or command != "migrate" or "--check" in arguments:
            raise Fallback("the server refuses the question: there may be no ledger yet, or an older one") from None
        from lockgate.boot import empty_database  # noqa: PLC0415  only for a database without a ledger

        return empty_database.load(session, manifest, expected, os.environ, " ".join([command, *arguments]))
    if row[1:] != ["t"]:
        raise Fallback("the database is not in the state that this manifest describes")
    return None


def _url(url: str) -> str:
    """DATABASE_URL, where libpq and Django's settings must read it alike. Raises Fallback."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in ("postgres", "postgresql"):
        raise Fallback("DATABASE_URL is not set, or names no PostgreSQL")
    if not rest.partition("?")[0].partition("/")[2]:
        raise Fallback("DATABASE_URL has no path that names a database")
    if not rest.isascii() or any(character in rest for character in " \t\r\n#+\\;"):
        raise Fallback("DATABASE_URL has a character that not everybody reads alike")
    return url


def _refuse_odd_options(manifest: Manifest, environ: "Mapping[str, str]") -> None:
    """A variable that a full start would refuse must be refused by one. Raises Fallback."""
    for line in manifest.all("option"):
        name, kind, *words = line.split(" ")
        if (value := environ.get(name)) and not _is_readable(value, kind, words):
            raise Fallback(f"{name} cannot be read")


def _is_readable(value: str, kind: str, words: list[str]) -> bool:
    if kind == "text":
        return True
    if kind == "words":
        return value in words
    try:
        return 0 <= (float(value) if kind == "seconds" else int(value)) <= float(words[0])
    except ValueError:
        return False


def wanted(manifest: Manifest, environ: "Mapping[str, str]") -> list[str]:
    """The parameters of ``current.sql``, as text."""
    release = environ.get("LOCKGATE_RELEASE")
    name = "-".join(release.split())[-RELEASE_LENGTH:] if release else manifest.one("release")
    quoted = [
        '"' + extension.replace("\\", "\\\\").replace('"', '\\"') + '"'
        for extension in manifest_file.extensions(manifest)
    ]
    return [name, manifest.one("contents"), manifest.one("ast_digest"), "{" + ",".join(quoted) + "}"]


def _say(event: str, fields: "Fields", log_format: str) -> None:
    """The line that the console would print, or the object that it would."""
    text = getattr(sentences, event)(**fields)
    if log_format == "json":
        values = {"time": _now(), "level": "info", "event": event, "message": text, **fields}
        text = "{" + ", ".join(f'"{name}": {_json(value)}' for name, value in values.items()) + "}"
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:  # as management.base has it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.stderr.write(f"error: {sentences.OUTPUT_CLOSED}\n")
        sys.exit(1)


def _json(value: "str | float") -> str:
    """A value as JSON has it; text has nothing in it that would be escaped (``manifest.snapshot_lines``)."""
    if isinstance(value, str):
        return f'"{value}"'
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _now() -> str:
    """As ``datetime.isoformat`` with milliseconds, which is not imported for it."""
    import time  # noqa: PLC0415

    now = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now * 1000) % 1000:03}+00:00"
