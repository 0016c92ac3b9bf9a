"""Names and contents of migrations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Key(NamedTuple):
    """A migration's name, as Django writes it: app label and file name without ``.py``."""

    app: str
    name: str

    def __str__(self) -> str:
        return f"{self.app}.{self.name}"


class Fingerprint(NamedTuple):
    """What a migration file says.

    file_digest: sha256 of its bytes; equal sources need no closer look.
    ast_digest: sha256 of its syntax tree; comments and formatting do not count. Empty where not computed.
    """

    file_digest: str
    ast_digest: str


Fingerprints = Mapping[Key, Fingerprint]
