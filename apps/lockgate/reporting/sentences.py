"""Sentences that are said with and without Django: a start that has nothing to do imports this and no console."""

NOTHING_PENDING = "nothing to migrate"
ALL_APPLIED = "every migration of this release is applied"
OUTPUT_CLOSED = "nobody reads the output any more, so the command ended"
