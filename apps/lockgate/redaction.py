"""Secrets are taken out of text once, at the boundary, whoever put them in."""

from __future__ import annotations

import json
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

MASK = "***"
SHORTEST = 3  # characters: a shorter password would mask half of every message


def redactor(secrets: Iterable[str]) -> Redactor:
    """A function from text to text without these secrets: as they are, percent-encoded, or quoted (JSON, repr)."""
    return Redactor(secrets)


class Redactor:
    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets for form in _forms(secret)}
        self._forms = sorted((form for form in forms if len(form) >= SHORTEST), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for form in self._forms:
            text = text.replace(form, MASK)
        return text


def _forms(secret: str) -> set[str]:
    """How a secret may be written in a line."""
    encoded = {quote(secret, safe=""), quote(secret), quote_plus(secret)}
    quoted = {repr(secret)[1:-1], json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    return {secret} | encoded | quoted
