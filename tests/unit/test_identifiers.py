"""Names as PostgreSQL gives, shortens and stores them; tests/postgres compares whole schemas."""

from __future__ import annotations

import pytest

from lockgate.planning import identifiers


@pytest.mark.parametrize(
    ("table", "column", "label", "name"),
    [
        ("book", "isbn", "key", "book_isbn_key"),
        ("book", "", "pkey", "book_pkey"),
        ("t" * 70, "", "pkey", "t" * 58 + "_pkey"),
        ("t" * 40, "c" * 40, "not_null", "t" * 27 + "_" + "c" * 26 + "_not_null"),
        ("t" * 50, "isbn", "check", "t" * 50 + "_isbn_check"),
        ("ü" * 40, "isbn", "check", "ü" * 26 + "_isbn_check"),
    ],
)
def test_the_longer_part_is_shortened_first_and_no_character_is_cut(
    table: str, column: str, label: str, name: str
) -> None:
    assert identifiers.given(table, column, label) == name


def test_a_name_that_is_too_long_is_stored_without_its_end() -> None:
    assert identifiers.stored("u" * 80) == "u" * 63
    assert identifiers.stored("ü" * 40) == "ü" * 31


def test_names_of_our_own_stay_apart_when_they_are_shortened() -> None:
    first, second = (
        identifiers.distinct(f"{'t' * 60}_{column}", "lockgate_not_null") for column in ("first", "second")
    )
    assert first != second
    assert len(first) == len(second) == identifiers.NAME_LIMIT
    assert identifiers.distinct("book_pages", "lockgate_not_null") == "book_pages_lockgate_not_null"
