"""Secrets in foreign text: no spelling of one passes, and our own words stay as they are."""

from __future__ import annotations

import html
import io
import json
import random
import string
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import psycopg
import pytest
from django.core.management.base import CommandError
from psycopg import sql
from psycopg.conninfo import make_conninfo

from lockgate import redaction
from lockgate.management.commands.showmigrations import Command
from lockgate.redaction import MASK, Redactor

SECRET = "p@ss:w/o%rd #1"
# Letters, what URLs, JSON, libpq, SQL, HTML and Python give a meaning to, and what is more than one byte.
ALPHABET = string.ascii_letters + string.digits + "@:/?#%&=+ '\"\\<>;,.$!~é語\t"


def lower_case(text: str) -> str:
    """Percent-encoded with small letters, as some libraries do."""
    return "".join(quote(char, safe="").lower() if not char.isalnum() else char for char in text)


def every_byte(text: str) -> str:
    """As a URL may be written, and libpq reads it."""
    return "".join(f"%{byte:02X}" for byte in text.encode())


def _inner(quoted: str) -> str:
    """Without the quotes around it."""
    return quoted[1:-1] if quoted[0] in "'\"" and quoted[0] == quoted[-1] else quoted


SPELLINGS: dict[str, Callable[[str], str]] = {
    "as-is": str,
    "url": lambda text: quote(text, safe=""),
    "url-path": quote,
    "url-form": quote_plus,
    "url-lower-case": lower_case,
    "url-every-byte": every_byte,
    "url-twice": lambda text: quote(quote(text, safe=""), safe=""),
    "json": lambda text: json.dumps(text)[1:-1],
    "json-unicode": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "repr": lambda text: repr(text)[1:-1],
    "ascii": lambda text: ascii(text)[1:-1],
    "repr-in-json": lambda text: json.dumps(repr(text)[1:-1])[1:-1],
    "html": html.escape,
    "conninfo": lambda text: _inner(make_conninfo(password=text).removeprefix("password=")),
    "sql-literal": lambda text: _inner(sql.Literal(text).as_string(None).removeprefix(" E")),
    "sql-identifier": lambda text: _inner(sql.Identifier(text).as_string(None)),
}


def some_secrets() -> list[str]:
    """Of 1 to 40 characters, drawn by lot, the same each time."""
    draw = random.Random(10)
    drawn = ["".join(draw.choices(ALPHABET, k=length)) for length in (*range(1, 41), *range(1, 41))]
    return [each for each in drawn if each.strip() == each]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_secret_is_masked_however_it_is_spelt(spelling: str) -> None:
    for secret in [
        SECRET,
        'qua"gga',
        "qua\\gga",
        "qua'g\"ga",
        "quägga\tx",
        "qua\ngga",
        "a",
        "$",
        "%2525%",
        "x%25&y=1@",
        *some_secrets(),
    ]:
        spelt = SPELLINGS[spelling](secret)
        said = Redactor([secret])(f"in postgresql://me:{spelt}@db/shop as password={spelt} too")
        assert said == f"in postgresql://me:{MASK}@db/shop as password={MASK} too", (secret, spelt)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("unit", ["q", "'", '"', "\\", " ", "%", "%25", "''\\", "é", "&", "+ "])
def test_what_almost_is_a_secret_is_told_in_no_time(unit: str) -> None:
    """A spelling that could be read in two ways at each of its characters would take for ever."""
    secret = f"q{unit * 30}!"
    for spell in SPELLINGS.values():
        assert Redactor([secret])(f"{spell(secret[:-1])}?") == f"{spell(secret[:-1])}?"


def test_every_occurrence_of_every_secret_is_masked() -> None:
    assert Redactor(["one1", "two2"])("one1 two2 one1 three") == f"{MASK} {MASK} {MASK} three"


def test_a_secret_within_another_does_not_leave_its_rest() -> None:
    assert Redactor(["quagga", "quaggamire"])("quaggamire quagga") == f"{MASK} {MASK}"


@pytest.mark.parametrize(
    ("secret", "text"),
    [
        ("app", "applying app_1, happy: wrapped"),
        ("a", "that was about cab_b"),
        (".", "it ended. 1.5 s, app.0001"),
        ("-", "--fake is no-op"),
        ("0001", "app.0001_initial"),
    ],
)
def test_a_short_secret_is_masked_where_it_stands_alone_and_nowhere_else(secret: str, text: str) -> None:
    redact = Redactor([secret])
    assert redact(text) == text
    for before, after in (("me:", "@db"), ("password=", " too"), ("'", "'"), ("%3A", "%40")):
        assert redact(f"{before}{secret}{after}") == f"{before}{MASK}{after}"


def test_a_long_secret_is_masked_within_a_word_too() -> None:
    assert Redactor(["correcthorse"])("xcorrecthorsex") == f"x{MASK}x"


@pytest.mark.parametrize("cut", ["...", "…"])
@pytest.mark.parametrize("left", [3, 4, 8, 16])
def test_what_is_left_of_a_secret_in_a_text_that_was_cut_is_masked(cut: str, left: int) -> None:
    secret = "quagga@mirepoix:zorilla"
    redact = Redactor([secret])
    assert redact(f"LINE 1: {secret[:left]}{cut}") == f"LINE 1: {MASK}{cut}"
    assert redact(f"LINE 1: {cut}{secret[-left:]} x") == f"LINE 1: {cut}{MASK} x"


def test_a_token_of_a_thousand_characters_is_masked() -> None:
    token = "".join(random.Random(1).choices(ALPHABET, k=1500))
    assert Redactor([token])(f"<{token}>") == f"<{MASK}>"


@pytest.mark.parametrize(
    ("variable", "value", "secrets"),
    [
        ("DATABASE_URL", "postgresql://me:p%40ss@h1:1,h2:2/db", {"p%40ss", "p@ss"}),
        ("DATABASE_URL", "postgresql://me@h/db?password=p%40ss&sslpassword=key", {"p%40ss", "p@ss", "key"}),
        ("DATABASE_URL", "postgresql://me:p@ss@h/db", {"p@ss", "p", "ss"}),
        ("DATABASE_URL", "postgresql://me:12/quagga@h/db", {"12/quagga", "12", "quagga"}),
        ("DATABASE_URL", "postgresql://me:a+b@h/db", {"a+b", "a b"}),
        ("DATABASE_URL", "postgresql://h:5432/db?user=a@b", set()),
        ("DATABASE_URL", "postgresql://h:5432/db", set()),
        ("CACHE_URL", "redis://:first@h;redis://:second@k", {"first", "second"}),
        ("SHOP_DSN", r"host=h password='a\'b c' passfile=/run/pass", {"a'b c", "/run/pass"}),
        ("PGPASSWORD", "abc", {"abc"}),
        ("PGPASSFILE", "/run/pgpass", {"/run/pgpass"}),
    ],
)
def test_secrets_of_the_environment(
    variable: str, value: str, secrets: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redaction, "_databases", list)
    assert redaction.known({variable: value}) == secrets


def test_secrets_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"password": "one", "sslpassword": "two", "passfile": "/three", "sslmode": "require", "pool": True}
    database = {"PASSWORD": "four", "NAME": "postgresql://me:five@h/db", "USER": "me", "OPTIONS": options}
    monkeypatch.setattr(redaction, "_databases", lambda: [database, {"PASSWORD": None, "OPTIONS": None}])
    assert redaction.known({}) == {"one", "two", "/three", "four", "five"}


def test_secrets_are_known_while_settings_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "zorilla")
    assert redaction.masked("app zorilla") == f"app {MASK}"
    monkeypatch.delenv("PGPASSWORD")
    assert redaction.masked("app zorilla") == "app zorilla"


@pytest.mark.parametrize("word", ["applying", "migration", "nothing to migrate", "shop_counter", "lockgate", "default"])
def test_a_stream_leaves_words_that_may_be_ours(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", word)
    assert redaction.sifted(f"{word} shop.0001") == f"{word} shop.0001"


@pytest.mark.parametrize("secret", ["correct-h0rse", "qua@gga:x", "f00bar12345"])
def test_a_stream_takes_out_what_cannot_be_ours(secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", secret)
    out = io.StringIO()
    stream = redaction.Sifting(out)
    stream.write(f"applying {quote(secret, safe='')}: {json.dumps({'action': secret})}\n")
    stream.flush()
    assert out.getvalue() == f'applying {MASK}: {{"action": "{MASK}"}}\n'


@pytest.mark.parametrize("secret", ['correct-h0rse"', '": "f00bar12', "f00bar12\\", '{"f00bar12'])
@pytest.mark.parametrize("indent", [None, 2])
def test_a_document_stays_one_whatever_signs_a_secret_has(
    secret: str, indent: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", secret)
    out = io.StringIO()
    document = {"ends": [f"as {secret}", secret.strip('"\\'), 1.5, None], "f": "f00bar12", "é": "é"}
    redaction.Sifting(out).write(json.dumps(document, indent=indent, ensure_ascii=False) + "\n")
    told = json.loads(out.getvalue())
    assert told["ends"][0] == f"as {MASK}"
    assert list(told) == list(document)
    assert told["ends"][2:] == [1.5, None]
    assert out.getvalue().count("\n") == (1 if indent is None else 10)


def test_an_argument_that_is_refused_is_repeated_without_the_secret_in_it() -> None:
    parser = Command().create_parser("manage.py", "showmigrations")
    with pytest.raises(CommandError) as refused:
        parser.parse_args(["--format", "postgresql://app:quagga@db/shop"])
    assert "invalid choice: 'postgresql://app:***@db/shop'" in str(refused.value)


def test_a_statement_that_the_server_quotes_in_part_shows_no_part_of_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """libpq cuts the line of a statement to 60 columns, wherever that is."""
    secret = "quagga-mirepoix-zorilla-axolotl"
    monkeypatch.setenv("PGPASSWORD", secret)
    for before in range(0, 80, 3):
        shown = f"{'x' * before}{secret}{'y' * 80}"
        for start in range(0, len(shown) - 60, 7):
            said = redaction.masked(f"LINE 1: ...{shown[start : start + 60]}...")
            for word in ("quagga", "mirepoix", "zorilla", "axolotl"):
                assert word not in said, said


def test_errors_of_psycopg_keep_their_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "quagga")
    assert redaction.masked(str(psycopg.OperationalError("the connection is closed"))) == "the connection is closed"
