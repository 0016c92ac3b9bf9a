"""The tables of docs/locks.md, made from the same cases that are held against PostgreSQL.

``python -m tests.support.lock_table`` writes the page anew. What is claimed of SQL is looked up on a server.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from lockgate.facts.tables import DatabaseFacts, TableFacts
from lockgate.planning import planner
from lockgate.planning.steps import Kind, Lock, MigrationPlan, Phase, Step, Work
from tests.support import plans, sql_cases
from tests.support.plans import Scratch

PAGE = Path(__file__).resolve().parents[2] / "docs/locks.md"
BEGIN, END = "<!-- made by tests/support/lock_table.py: begin -->\n", "<!-- end -->\n"
SQL_BEGIN = "<!-- made by tests/support/lock_table.py, of SQL: begin -->\n"
VERSION = 18  # of the server whose tables SQL is read against
AGAIN = "make it anew:  python -m tests.support.lock_table"
GROUPS = ("INDEXES", "CONSTRAINTS", "NEW_COLUMNS", "COLUMNS", "TABLES")
TITLES = ("Indexes", "Constraints", "New columns", "Columns", "Tables")
NAMES = ("author", "shelf", "book", "note", "plain", "editor", "book_shelves", "note_shelves")
SQL_HEAD = "| Statement | Table, lock, work | Waits meanwhile |\n| --- | --- | --- |\n"
HEAD = "| Operation | In place: table, lock, work | Waits meanwhile | Online |\n| --- | --- | --- | --- |\n"


def planned(case: object, version: int, *, online: bool) -> MigrationPlan:
    """The plan of a case on large tables, without a server: they are planned, and then taken for deployed."""
    from lockgate.planning.recorder.offline import offline_connection
    from lockgate.planning.recorder.schema_editor import recording
    from lockgate.project_state.lazy_state import LazyState
    from tests.support.plan_case import BASE, Case

    assert isinstance(case, Case)
    tables = {name: TableFacts(name, "r", 2**30, 10**6) for name in (f"{plans.APP}_{name}" for name in NAMES)}
    facts = DatabaseFacts(version * 10000, tables=tables, volatile_functions=frozenset({"random"}))
    connection = offline_connection("default", version * 10000)
    settings = planner.Settings(threshold=0, online=online)
    planning = planner.Planner(facts, lambda catalog: recording(connection, catalog), settings)
    state = LazyState()
    for number, operation in enumerate((*BASE, *case.before)):
        planning.plan(plans.migration(f"{number:04}_before", operation), state, deployed=True)
    return planning.plan(plans.migration("0100_case", *case.operations, atomic=case.atomic), state)


def page(text: str) -> str:
    """The page with its table of operations made anew."""
    return _between(text, BEGIN, sections())


def sql_page(text: str, scratch: Scratch) -> str:
    """The page with its tables of SQL made anew. scratch: has what the statements are about."""
    return _between(text, SQL_BEGIN, sql_sections(scratch))


def _between(text: str, begin: str, made: Iterator[str]) -> str:
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(END)
    return f"{before}{begin}{''.join(made)}\n{END}{after}"


def sql_sections(scratch: Scratch) -> Iterator[str]:
    for title, group in sql_cases.GROUPS.items():
        yield f"\n### {title}\n\n{SQL_HEAD}"
        lines = [line.strip() for line in group.strip().splitlines()]
        for statement in filter(None, lines):
            claimed, _ = sql_cases.claimed(scratch, statement)
            locks = [Lock(table, mode, work) for table, (mode, work) in claimed.items()]
            shown = "<br>".join(_lock(lock) for lock in locks) or "none"
            yield f"| {_code(statement)} | {shown} | {_waits(locks)} |\n"
    yield "\n### Claimed for more than was seen, or locked besides\n\n| Statement | |\n| --- | --- |\n"
    for statement, why in sql_cases.CAUTIOUS.items():
        yield f"| {_code(statement)} | cautious: {why} |\n"
    for statement, (table, why) in sql_cases.BESIDES.items():
        yield f"| {_code(statement)} | `{table}` besides: {why} |\n"
    yield "\n### Unknown\n\nOf these nothing is claimed, and the plan says that they were not read to their end.\n\n"
    yield "".join(f"- {_code(each)}\n" for each in sql_cases.UNKNOWN)


def _code(statement: str) -> str:
    return f"`{statement.replace('|', chr(92) + '|')}`"


def sections() -> Iterator[str]:
    from tests.support import plan_cases

    for title, group in zip(TITLES, GROUPS, strict=True):
        yield f"\n### {title}\n\n{HEAD}"
        for case in getattr(plan_cases, group):
            if case.listed:
                yield _row(case)


def _row(case: object) -> str:
    in_place = planned(case, 18, online=False)
    locks = _strongest([lock for step in in_place.steps for lock in step.locks])
    online = {version: _online(planned(case, version, online=True)) for version in (16, 18)}
    ways = [online[18]] if online[16] == online[18] else [f"{version}: {way}" for version, way in online.items()]
    shown = "<br>".join(_lock(lock) for lock in locks) or "none"
    return f"| {case} | {shown} | {_waits(locks)} | {'<br>'.join(ways)} |\n"


def _strongest(locks: list[Lock]) -> list[Lock]:
    """One line for each table."""
    held: dict[str, Lock] = {}
    for lock in locks:
        known = held.get(lock.table, lock)
        mode = max(known.mode, lock.mode, key=lambda mode: mode.strength)
        held[lock.table] = Lock(lock.table, mode, max(known.work, lock.work, key=plans.ORDER.index))
    return list(held.values())


def _lock(lock: Lock) -> str:
    return f"`{lock.table.removeprefix('library_')}` {_mode(lock)}, {lock.work}"


def _mode(lock: Lock) -> str:
    return lock.mode.name.replace("_", " ")


def _waits(locks: list[Lock]) -> str:
    """Who waits for longer than a moment."""
    grows = [lock for lock in locks if lock.work.grows]
    if any(lock.mode.blocks_reads for lock in grows):
        return "reads and writes"
    if any(lock.mode.blocks_writes for lock in grows):
        return "writes"
    if any(lock.mode.blocks_writes for lock in locks):
        return "nobody for long"
    return "who writes those rows" if any(lock.work is Work.ROWS for lock in locks) else "nobody"


def _online(plan: MigrationPlan) -> str:
    rewritten = [step for step in plan.steps if step.rewrite]
    if not rewritten:
        kept = [step.kept_in_place for step in plan.steps if step.kept_in_place]
        return f"no: {kept[0]}" if kept else "as it is"
    return "<br>".join(_phase(phase, plan.phase(phase)) for phase in Phase if plan.phase(phase))


def _phase(phase: Phase, steps: tuple[Step, ...]) -> str:
    done = ", ".join(dict.fromkeys(_said(step) for step in steps))
    return f"{phase}: {done}"


def _said(step: Step) -> str:
    kinds = dict.fromkeys(_kind(change.kind, change.not_valid) for change in step.changes)
    works = [lock.work for lock in step.locks if lock.work is not Work.MOMENT]
    waits = _waits(list(step.locks))
    note = f" ({works[0]}{'' if waits.startswith('nobody') else f', {waits} wait'})" if works else ""
    return f"{', '.join(kinds)}{note}"


def _kind(kind: Kind, not_valid: bool) -> str:
    return f"{kind.value} not valid" if not_valid else kind.value


def main() -> None:
    import django
    from django.contrib.postgres.signals import register_type_handlers
    from django.db.backends.signals import connection_created

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings.mypy")
    django.setup()
    connection_created.disconnect(register_type_handlers)  # it asks the connection of the settings, which is none
    text = page(PAGE.read_text(encoding="utf-8"))
    with plans.scratch(VERSION) as scratch:
        sql_cases.make(scratch)
        PAGE.write_text(sql_page(text, scratch), encoding="utf-8")


if __name__ == "__main__":
    main()
