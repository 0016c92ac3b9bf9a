"""The redactor: no form of a secret passes, and everything else does."""

from __future__ import annotations

import json
from urllib.parse import quote, quote_plus

import pytest

from lockgate.redaction import MASK, redactor

SECRET = "p@ss:w/o%rd #1"


@pytest.mark.parametrize(
    "form", [SECRET, quote(SECRET, safe=""), quote(SECRET), quote_plus(SECRET)], ids=["as-is", "url", "path", "form"]
)
def test_a_secret_is_masked_however_it_is_encoded(form: str) -> None:
    assert redactor([SECRET])(f"<{form}>") == f"<{MASK}>"


@pytest.mark.parametrize("secret", ['qua"gga', "qua\\gga", "qua'g\"ga", "quägga\tx", "qua\ngga"])
def test_a_secret_is_masked_where_it_is_quoted(secret: str) -> None:
    redact = redactor([secret])
    quoted = [repr(secret), json.dumps(secret), json.dumps(secret, ensure_ascii=False)]
    assert [redact(text)[1:-1] for text in quoted] == [MASK] * 3


def test_every_occurrence_of_every_secret_is_masked() -> None:
    assert redactor(["one1", "two2"])("one1 two2 one1 three") == f"{MASK} {MASK} {MASK} three"


def test_a_secret_within_another_does_not_leave_its_rest() -> None:
    assert redactor(["quagga", "quaggamire"])("quaggamire quagga") == f"{MASK} {MASK}"


@pytest.mark.parametrize("secrets", [[], [""], ["a"], ["ab"]])
def test_what_is_too_short_to_be_told_from_text_is_left(secrets: list[str]) -> None:
    assert redactor(secrets)("about a cab") == "about a cab"
