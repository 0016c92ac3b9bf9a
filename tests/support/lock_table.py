"""The table of docs/locks.md, made from the same cases that are held against PostgreSQL.

``python -m tests.support.lock_table`` writes the page anew.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from lockgate.facts.tables import DatabaseFacts, TableFacts
from lockgate.planning import build
from lockgate.planning.steps import Kind, Lock, MigrationPlan, Phase, Step, Work
from tests.support import plans

PAGE = Path(__file__).resolve().parents[2] / "docs/locks.md"
BEGIN, END = "<!-- made by tests/support/lock_table.py: begin -->\n", "<!-- end -->\n"
GROUPS = ("INDEXES", "CONSTRAINTS", "NEW_COLUMNS", "COLUMNS", "TABLES")
TITLES = ("Indexes", "Constraints", "New columns", "Columns", "Tables")
NAMES = ("author", "shelf", "book", "note", "plain", "editor", "book_shelves", "note_shelves")
HEAD = "| Operation | In place: table, lock, work | Waits meanwhile | Online |\n| --- | --- | --- | --- |\n"


def planned(case: object, version: int, *, online: bool) -> MigrationPlan:
    """The plan of a case on large tables, without a server: they are planned, and then taken for deployed."""
    from lockgate.execution.recording.recording_editor import offline_connection, recording
    from lockgate.execution.rendering.lazy_states import LazyState
    from tests.support import plan_cases

    assert isinstance(case, plan_cases.Case)
    tables = {name: TableFacts(name, "r", 2**30, 10**6) for name in (f"{plans.APP}_{name}" for name in NAMES)}
    facts = DatabaseFacts(version * 10000, tables=tables, volatile_functions=frozenset({"random"}))
    connection = offline_connection("default", version * 10000)
    settings = build.Settings(threshold=0, online=online)
    planner = build.Planner(facts, lambda prospect: recording(connection, prospect), settings)
    state = LazyState()
    for number, operation in enumerate((*plan_cases.BASE, *case.before)):
        planner.plan(plans.migration(f"{number:04}_before", operation), state, deployed=True)
    return planner.plan(plans.migration("0100_case", *case.operations, atomic=case.atomic), state)


def page(text: str) -> str:
    """The page with its table made anew."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{''.join(sections())}\n{END}{after}"


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
    held = any(lock.mode.blocks_writes for lock in locks)
    return "nobody for long" if held else "nobody"


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

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings.mypy")
    django.setup()
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
