"""Types that a database has beside PostgreSQL's own."""

from __future__ import annotations

from typing import NamedTuple


class TypeFacts(NamedTuple):
    """base: what a domain stands on, with its length, as the catalog writes it; "" for what is no domain.

    constrained: a domain with a check or NOT NULL of its own. filled: one with a default.
    """

    base: str = ""
    constrained: bool = False
    filled: bool = False
