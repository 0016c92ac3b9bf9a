"""docs/locks.md says what plans claim; that PostgreSQL does so is tested in tests/postgres/test_plan_locks.py."""

from __future__ import annotations

from tests.support import lock_table
from tests.support.plan_cases import CASES


def test_the_table_of_locks_is_up_to_date() -> None:
    written = lock_table.PAGE.read_text(encoding="utf-8")
    assert written == lock_table.page(written), "make it anew:  python -m tests.support.lock_table"


def test_every_case_has_a_title_of_its_own() -> None:
    titles = [case.title for case in CASES]
    assert sorted(set(titles)) == sorted(titles)
