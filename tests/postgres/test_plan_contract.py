"""Between switch and contract the release that still serves inserts rows as ever."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, models

from lockgate.planning.steps import Phase
from tests.support import plans
from tests.support.plan_case import BASE, add
from tests.support.plans import Scratch

AS_BEFORE = "INSERT INTO library_book (title, pages, price, out_of_print, author_id) VALUES ('', 1, 1, false, 1)"


def test_inserts_that_do_not_name_the_new_column_get_its_default(scratch: Scratch) -> None:
    state = scratch.prepare(*BASE)
    (plan,) = scratch.plan([plans.migration("0001_case", add("extra", models.IntegerField(default=7)))], state)
    for step in plan.phase(Phase.SWITCH):
        for statement in step.sql:
            scratch.send(statement)
    scratch.send(AS_BEFORE)
    assert scratch.query("SELECT extra FROM library_book ORDER BY id DESC LIMIT 1") == [(7,)]
    for step in plan.phase(Phase.CONTRACT):
        for statement in step.sql:
            scratch.send(statement)
    with pytest.raises(IntegrityError):
        scratch.send(AS_BEFORE)
