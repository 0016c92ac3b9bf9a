"""How SQL outside of a transaction waits: what nobody waits behind, what may be tried again, and what may not."""

from __future__ import annotations

import pytest

from lockgate.planning import sql_changes, sql_parser, sql_waiting
from lockgate.planning.sql_waiting import Waiting

LETS_PASS = """
UPDATE book SET pages = 1
INSERT INTO book SELECT * FROM shelf
CREATE INDEX CONCURRENTLY ON book (pages)
DROP INDEX CONCURRENTLY book_pages
REINDEX TABLE CONCURRENTLY book
ALTER TABLE log DETACH PARTITION log_a CONCURRENTLY
REFRESH MATERIALIZED VIEW CONCURRENTLY totals
VACUUM book
ANALYZE book
ALTER TABLE book VALIDATE CONSTRAINT book_pages
ALTER TYPE mood ADD VALUE 'fine'
CREATE SCHEMA attic
SET lock_timeout = '5s'
"""
TRIED = """
ALTER TABLE book ADD COLUMN extra int
ALTER TABLE book ADD COLUMN extra int; UPDATE book SET extra = 1
CREATE TABLE fresh (book_id int REFERENCES book)
CREATE INDEX ON book (pages)
DROP INDEX book_pages
REINDEX INDEX book_pages
VACUUM FULL book, shelf
CLUSTER book USING book_pkey
LOCK TABLE book; ALTER TABLE book ADD COLUMN extra int
REFRESH MATERIALIZED VIEW totals
CREATE EXTENSION hstore
DO $$ BEGIN ALTER TABLE book ADD COLUMN extra int; END $$
DO $$ BEGIN EXECUTE 'ALTER TABLE ' || 'book ADD COLUMN extra int'; END $$
SELECT widen()
"""
IN_FRONT = """
CALL widen()
DO $$ BEGIN ALTER TABLE book ADD COLUMN extra int; COMMIT; END $$
DO $$ BEGIN CALL widen(); END $$
BEGIN; ALTER TABLE book ADD COLUMN extra int; COMMIT
ALTER TABLE book ADD COLUMN extra int; COMMIT; SELECT 1
REINDEX SCHEMA public
VACUUM FULL
CLUSTER
"""
CASES = [
    (text, expected)
    for texts, expected in ((LETS_PASS, Waiting.LETS_PASS), (TRIED, Waiting.TRIED), (IN_FRONT, Waiting.IN_FRONT))
    for text in texts.strip().splitlines()
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_each_kind_of_text_waits_as_it_may(text: str, expected: Waiting) -> None:
    assert sql_waiting.of(text, sql_changes.of(text)) is expected


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_what_nobody_reads_is_never_taken_for_more_harmless(
    text: str, expected: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the parser a text is tried where it can be, and said to wait in front where it cannot."""
    for each in (sql_parser.parse, sql_parser.parse_body, sql_changes.of):
        each.cache_clear()
    monkeypatch.setattr(sql_parser, "_module", lambda: None)
    waiting = sql_waiting.of(text, sql_changes.of(text))
    for each in (sql_parser.parse, sql_parser.parse_body, sql_changes.of):
        each.cache_clear()
    if "CONCURRENTLY" in text:
        assert waiting is Waiting.LETS_PASS
    elif text.startswith(("VACUUM", "CLUSTER", "REINDEX")):
        assert waiting is Waiting.IN_FRONT
    else:
        assert waiting is (Waiting.IN_FRONT if expected is Waiting.IN_FRONT else Waiting.TRIED)
