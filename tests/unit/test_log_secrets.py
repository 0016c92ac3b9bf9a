"""Log lines of the service: no traceback shows a password of a connection."""

from __future__ import annotations

import json
import logging
import sys

import pytest

from project.logging import formatter


@pytest.mark.parametrize("secret", ["app", "quagga@mirepoix"])
def test_a_traceback_is_masked_and_our_words_are_not(secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CACHE_URL", f"redis://me:{secret}@cache")
    try:
        raise ConnectionError(f"cannot reach redis://me:{secret}@cache")
    except ConnectionError:
        record = logging.LogRecord("app", logging.ERROR, __file__, 1, "applying: app", None, sys.exc_info())
    said = json.loads(formatter().format(record))
    assert said["exception"].endswith("ConnectionError: cannot reach redis://me:***@cache")
    assert (said["event"], said["logger"]) == ("applying: app", "app")
