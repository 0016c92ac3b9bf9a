"""What a manifest has found out of migrations' files, for a run that records them.

It is listed by the digest of a file's bytes, so it is true of these bytes, however stale the manifest is otherwise.
"""

from __future__ import annotations

import json
from pathlib import Path

import lockgate


def known(path: Path) -> dict[str, str]:
    """The meaning of each file, by the digest of its bytes (``planning.fingerprint``); nothing where that is unsure."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["made_by"]["lockgate"] != lockgate.__version__:
            return {}
        return {migration["file_digest"]: migration["ast_digest"] for migration in document["migrations"]}
    except (OSError, ValueError, LookupError, TypeError):  # there is none, or it is not one
        return {}
