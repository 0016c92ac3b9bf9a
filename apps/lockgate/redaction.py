"""Secrets are taken out of text that others wrote, where it becomes a part of ours; our own words stay as they are.

``masked`` is for foreign text: what the server, libpq, psycopg or the project's code says. A short secret is masked
there where it stands alone, a long one wherever it stands. ``sifted`` is for text that has our own words in it, and
takes out only what no word, name or number of ours can be: every stream of a command passes it, as the second line.

A secret is a password of a connection, its key's password or its password file, as settings and environment have it
now, and the password of any URL in the environment.
"""

from __future__ import annotations

import html
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote, unquote_plus

MASK = "***"
# Characters from which on a secret is masked also within a word: half a word of ours is no such secret.
LONG = 8
# Characters of a long secret that are left of it where somebody cut a text: fewer tell nothing.
FRAGMENT = 3
_CUT = re.compile(r"(\.{3}|…)")

_RUN = re.compile(r"""\\+|'+|"+|[^\\'"]""")
_SECRET_OPTIONS = ("password", "sslpassword", "passfile")
_SECRET_VARIABLES = ("PGPASSWORD", "PGPASSFILE")
_AFTER_ESCAPE = r"(?<=%[0-9A-Fa-f]{2})|(?<=\\[nrtabfv])"
_JSON_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')
_USER = re.compile(r"://[^/?#\s:@]*:")
_DELIMITER = re.compile(r"[/?#]")
_PORT = re.compile(r"\d{1,5}(?:/[^@?#]*)?(?:\?\w+=|#|$)")  # of a URL without a login, and with an @ further on
_IN_QUERY = re.compile(rf"[?&](?:{'|'.join(_SECRET_OPTIONS)})=([^&#]+)", re.IGNORECASE)
_IN_CONNINFO = re.compile(
    rf"(?:^|\s)(?:{'|'.join(_SECRET_OPTIONS)})\s*=\s*('(?:[^'\\]|\\.)*'|(?:[^\s'\\&]|\\.)+)", re.IGNORECASE
)


def masked(text: str) -> str:
    """Foreign text without the secrets that are known now, however they are spelt."""
    return Redactor(known())(text)


def sifted(text: str) -> str:
    """Text with words of ours in it, without those secrets that cannot be one of them."""
    return Redactor(secret for secret in known() if _is_no_word(secret))(text)


def masked_in_argument(text: str) -> str:
    """What was typed, or says so: a URL in it has a secret that no setting knows."""
    return Redactor({*known(), *_within(text)})(text)


def _sifted_lines(text: str) -> str:
    """Sifted; of a JSON document its texts alone, since a secret with a quote could take one of the document's own."""
    shown = sifted(text)
    if shown == text or not text.startswith(("{", "[")):
        return shown
    try:
        json.loads(text)
    except ValueError:
        return shown
    ascii_alone = text.isascii()
    return _JSON_TEXT.sub(lambda match: json.dumps(sifted(json.loads(match[0])), ensure_ascii=ascii_alone), text)


class Redactor:
    """A function from foreign text to the same without these secrets."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = sorted({secret for secret in secrets if secret.strip()}, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for secret in self._secrets:
            text = _without_rests(_pattern(secret).sub(MASK, text), secret)
        return text


class Sifting:
    """A stream of a command: what is written to it is sifted; the rest is the stream's own."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> Any:
        return self._stream.write(_sifted_lines(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def known(environ: Mapping[str, str] = os.environ) -> set[str]:
    """The secrets of the settings, where there are any yet, and of the environment."""
    values = {environ.get(name, "") for name in _SECRET_VARIABLES}
    for value in environ.values():
        values.update(_within(value))
    for database in _databases():
        options = database.get("OPTIONS") or {}
        values.update(
            str(secret) for secret in (database.get("PASSWORD"), *map(options.get, _SECRET_OPTIONS)) if secret
        )
        for value in (*database.values(), *options.values()):
            values.update(_within(value) if isinstance(value, str) else ())
    return values - {""}


def _databases() -> list[dict[str, Any]]:
    """The settings of each connection; none before the settings are loaded, or where they cannot be."""
    from django.conf import settings  # noqa: PLC0415  also before Django is loaded something may be wrong

    if not settings.configured:
        return []
    from django.db import connections  # noqa: PLC0415

    try:
        return [connections[alias].settings_dict for alias in connections]
    except Exception:
        return []  # settings that cannot be read hold no password we could print


def _within(text: str) -> Iterator[str]:
    """The secrets in a URL or a libpq connection string: as they are written there, and as they are meant."""
    if "://" in text:
        written = [password for found in _USER.finditer(text) for password in _passwords(text[found.end() :])]
        for match in (*written, *_IN_QUERY.findall(text)):
            yield from (match, unquote(match), unquote_plus(match))
    for match in _IN_CONNINFO.findall(text):
        yield re.sub(r"\\(.)", r"\1", match[1:-1] if match.startswith("'") else match)


def _passwords(rest: str) -> Iterator[str]:
    """What may be the password at the beginning of the rest of a URL, after its user.

    Where it was not percent-encoded as it should have been, each reader finds another end of it, and other parts.
    """
    authority = _DELIMITER.split(rest, maxsplit=1)[0]
    if "@" not in authority and _PORT.match(rest):
        return
    login, at, _ = (authority if "@" in authority else rest).rpartition("@")
    if at:
        yield from (login, *re.split(r"[/?#@]", login))


def _is_no_word(secret: str) -> bool:
    mixed = any(character.isdigit() for character in secret) and any(character.isalpha() for character in secret)
    return len(secret) >= LONG and (mixed or bool(re.search(r"[^\w\s.-]", secret)))


@lru_cache(maxsize=64)
def _pattern(secret: str) -> re.Pattern[str]:
    """A secret as it is, or in any of its spellings.

    Each spelling of a character is final once it is found (an atomic group): tried again in another way, character by
    character, what is almost a secret would take for ever.
    """
    spelt = "".join(_spelt(match[0]) for match in _RUN.finditer(secret))
    if len(secret) < LONG:
        before, after = _alone(secret[0], before=True), _alone(secret[-1], before=False)
        return re.compile(f"{before}(?:{spelt}|{re.escape(secret)}){after}")
    return re.compile(f"{spelt}|{re.escape(secret)}")


def _without_rests(text: str, secret: str) -> str:
    """A text that was cut somewhere, without what the cut has left of a long secret."""
    pieces = _CUT.split(text)
    if len(pieces) == 1 or len(secret) < LONG:
        return text
    for form in {secret, quote(secret, safe=""), secret.replace("'", "''")}:
        for place in range(0, len(pieces), 2):  # between them the signs of a cut
            pieces[place] = _without_rest(pieces[place], form, begun=place > 0, ended=place < len(pieces) - 1)
    return "".join(pieces)


def _without_rest(piece: str, form: str, *, begun: bool, ended: bool) -> str:
    """begun, ended: whether the piece is cut off before, and after."""
    if begun and ended and len(piece) >= FRAGMENT and piece in form:
        return MASK
    lengths = range(min(len(form), len(piece)), FRAGMENT - 1, -1)
    if length := ended and next((size for size in lengths if piece.endswith(form[:size])), 0):
        piece = piece[:-length] + MASK
    if length := begun and next((size for size in lengths if piece.startswith(form[-size:])), 0):
        piece = MASK + piece[length:]
    return piece


def _spelt(run: str) -> str:
    """A character as it is, percent-encoded once or more, or quoted for JSON, Python, HTML, SQL or libpq.

    run: one character; or several of those that quoting doubles.
    """
    char, times = run[0], len(run)
    encoded = "".join(f"%(?:25)*(?i:{byte:02x})" for byte in char.encode(errors="surrogatepass"))
    if char == "%":
        return "%(?:25){0,4}"
    if char == "\\":
        return rf"(?>\\{{{times},{8 * times}}}|(?:{encoded}){{{times}}})"
    escapes = {json.dumps(char)[1:-1], repr(char)[1:-1], ascii(char)[1:-1]} - {char}
    escapes |= {char} if char in "'\"" else set()
    ways = [encoded, *(rf"\\*{re.escape(escape.lstrip(chr(92)))}" for escape in sorted(escapes))]
    ways += [
        re.escape(html.escape(char)),
        *([r"\+"] if char == " " else []),
        r"\s" if char.isspace() else re.escape(char),
    ]
    counted = f"{{{times},{2 * times}}}" if char in "'\"" else ""
    return f"(?>(?:{'|'.join(ways)}){counted})"


def _alone(edge: str, *, before: bool) -> str:
    """That a short secret is a token: no letter or digit joins its own; and a sign of its is quoted or delimited."""
    if edge.isalnum() or edge == "_":
        return rf"(?:(?<![^\W])|{_AFTER_ESCAPE})" if before else r"(?!\w)"
    return r"(?:(?<![^\s'\":=@&?;,])|(?<=%[0-9A-Fa-f]{2}))" if before else r"(?![^\s'\":=@/&?;,%\\])"
