"""Who may call what.

Writing needs the ingest token. Reading needs it too, or a signed-in member of staff: who watched what is
personal. Only the description of the API is open.
"""

from __future__ import annotations

import secrets

from django.conf import settings
from django.http import HttpRequest
from ninja.security import HttpBearer, django_auth_is_staff


class IngestToken(HttpBearer):
    """``Authorization: Bearer …``, compared with INGEST_TOKEN in constant time."""

    def authenticate(self, request: HttpRequest, token: str) -> bool | None:
        expected: str = settings.INGEST_TOKEN  # type: ignore[misc]  # a setting of serve.py
        # As bytes: compare_digest refuses text outside ASCII, and a header may hold any.
        return secrets.compare_digest(token.encode(), expected.encode()) or None


WRITING = IngestToken()
READING = [IngestToken(), django_auth_is_staff]
