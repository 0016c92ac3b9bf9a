"""Nobody disturbed, every migration ends where stock Django's does: schema, validity, sequences, owners and rows."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator

import pytest

from tests.support import databases, sweep
from tests.support.sweep import Sweep
from tests.support.sweep_cases import CASES, Case


@pytest.fixture(scope="module")
def sweeps() -> Iterator[Callable[[int], Sweep]]:
    """A sweep on each version of PostgreSQL that we test with, made when it is first wanted."""
    with contextlib.ExitStack() as stack:
        yield functools.cache(lambda version: Sweep(stack.enter_context(sweep.own_bench(version))))


@pytest.mark.parametrize("version", databases.several())
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_run_ends_where_stock_django_ends(sweeps: Callable[[int], Sweep], version: int, case: Case) -> None:
    swept = sweeps(version)
    with swept.start(case) as database:
        result = swept.bench.run("lockgate", database, case)
        assert result.code == 0, result.text
        swept.contract(case, database)
        assert swept.bench.end(database).differences(swept.bench.expected(case)) == []
