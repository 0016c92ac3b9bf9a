"""Lockgate's judgement of a case without a server, as ``lockgate lint --since`` does: one release, large tables."""

from __future__ import annotations

import importlib.util
import linecache
from dataclasses import dataclass

from django.db.migrations import Migration

from lockgate.linting import hazards, squawk
from lockgate.linting.rules.rule import OFFLINE
from lockgate.linting.rules.rule_context import HazardSettings
from lockgate.planning import planner
from lockgate.planning.recorder.offline import offline_connection, unplugged
from lockgate.planning.recorder.schema_editor import recording
from lockgate.planning.steps import Phase
from lockgate.policy import Policy
from lockgate.project_state.lazy_state import LazyState
from tests.conformance.comparison import shop
from tests.conformance.comparison.answers import Remark
from tests.conformance.comparison.case import Case


@dataclass(frozen=True)
class Judged:
    """What Lockgate says of a case. rewritten: some of it runs online, before or after the migration's transaction."""

    remarks: tuple[Remark, ...]
    rewritten: bool


def judge(case: Case, *, online: bool) -> Judged:
    """online: as Lockgate runs it; otherwise as stock Django would."""
    limits = Policy()
    migrations = [_migration(text, name) for name, text in case.files().items()]
    connection = offline_connection("default", OFFLINE.version)
    settings = planner.Settings(limits.large_table_bytes, online=online)
    planning = planner.Planner(OFFLINE, lambda catalog: recording(connection, catalog), settings)
    state = LazyState()
    with unplugged():
        planning.plan(_migration(shop.INITIAL, "0001_initial"), state, deployed=True)
        plans = [planning.plan(migration, state) for migration in migrations]
    program = squawk.program()
    assert program, "squawk is a requirement of development"
    sql = squawk.judge(program, hazards.unread(plans), OFFLINE.version)
    bounds = HazardSettings(limits.large_table_bytes, limits.size_budget_bytes)
    found_hazards = hazards.find(plans, OFFLINE, migrations, bounds, sql)
    remarks = {Remark(hazard.rule.id, str(hazard.rule.severity)) for hazard in found_hazards}
    phases = {step.phase for plan in plans for step in plan.steps}
    return Judged(tuple(sorted(remarks)), bool(phases - {Phase.SWITCH}))


def _migration(text: str, name: str) -> Migration:
    """A migration made of a file's text, whose functions can be read as from a file."""
    file = f"<comparison {name} {hash(text)}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    spec = importlib.util.spec_from_loader(f"shop.migrations.{name}", loader=None)
    assert spec
    module = importlib.util.module_from_spec(spec)
    exec(compile(text, file, "exec"), module.__dict__)
    migration: Migration = module.Migration(name, "shop")
    return migration
