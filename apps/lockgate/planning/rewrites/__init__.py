"""Online ways for what would otherwise block: one file for each kind of change.

A rewrite takes one statement out of the migration's transaction and puts steps before it (expand) or after it
(finish) that let reads and writes pass, or one release later (contract). It works on statements, not on operations, so
that whatever operation made the statement, Django's or a third party's, is served alike.
"""

from lockgate.planning.rewrites import (
    add_check,
    add_column,
    add_foreign_key,
    add_index,
    add_unique,
    drop_index,
    keep_default,
    set_not_null,
    validate_constraint,
)
from lockgate.planning.rewrites.context import NotRewritten, Online, Rewrite, RewriteContext, Rewritten

ALL: tuple[Rewrite, ...] = (
    add_index.rewrite,
    drop_index.rewrite,
    add_unique.rewrite,
    add_check.rewrite,
    add_foreign_key.rewrite,
    set_not_null.rewrite,
    add_column.rewrite,
    keep_default.rewrite,
    validate_constraint.rewrite,
)

__all__ = ["ALL", "NotRewritten", "Online", "Rewrite", "RewriteContext", "Rewritten"]
