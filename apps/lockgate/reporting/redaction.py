"""Secrets are taken out of text once, at the boundary, whoever put them in."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote, quote_plus

MASK = "***"
SHORTEST = 3  # characters: a shorter password would mask half of every message


def redactor(secrets: Iterable[str]) -> _Redactor:
    """A function from text to text without these secrets, as they are and percent-encoded."""
    return _Redactor(secrets)


class _Redactor:
    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets for form in (secret, quote(secret, safe=""), quote_plus(secret))}
        self._forms = sorted((form for form in forms if len(form) >= SHORTEST), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for form in self._forms:
            text = text.replace(form, MASK)
        return text
