"""Who is named of those that a step, or a run, waited for."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from lockgate.database import advisory_lock
from lockgate.execution import wait_deadline
from lockgate.facts import Blocker, Key
from lockgate.models import JournalEntry


@pytest.mark.parametrize(("waiting", "more"), [(0, ""), (1, ""), (3, ""), (4, " and 1 more")])
def test_a_few_of_those_who_were_waited_for_are_named_and_the_rest_counted(waiting: int, more: str) -> None:
    blockers = tuple(Blocker(pid, "report", "active", 2.0) for pid in range(1, waiting + 1))
    watch: Any = SimpleNamespace(blockers=blockers)
    said = wait_deadline._waited_out(Key("shop", "0001"), JournalEntry(title="a step"), watch, timedelta(seconds=9))
    named = "; ".join(map(str, blockers[:3])) if waiting else "whom could not be seen over a second connection"
    assert said.why == f"for {named}{more}"
    assert str(said.next_step).count("pg_terminate_backend") == min(waiting, 3)


def test_where_nobody_has_the_lock_at_the_deadline_others_took_turns() -> None:
    said = advisory_lock._gave_up(None, 12.3)
    assert str(said).startswith("could not get the migration lock in 12 s\n")
    assert said.why == "other runners took turns with it"
