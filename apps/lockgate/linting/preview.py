"""What migrations that are being written will do: Django's own statements, the steps made of them, and their hazards.

No server is asked, so it works on a laptop without one, and says the same everywhere: every table counts as large. New
migrations are one release: what one of them makes is new to the others.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader

from lockgate import policy
from lockgate.facts import Key
from lockgate.linting import lint, offering
from lockgate.linting.databases import Databases
from lockgate.linting.hazards import Hazard
from lockgate.linting.rules.offer import Offer
from lockgate.linting.rules.rule import OFFLINE
from lockgate.planning import history, planner
from lockgate.planning.history import HistoryPlanner
from lockgate.planning.recorder.offline import offline_connection, unplugged
from lockgate.planning.selection import key_of
from lockgate.planning.steps import MigrationPlan, Statement
from lockgate.planning.virtual_catalog import VirtualCatalog
from lockgate.project_state.lazy_state import LazyState

Recorder = Callable[[VirtualCatalog], Any]
New = Mapping[str, Sequence[Migration]]


@dataclass(frozen=True)
class Preview:
    """One new migration. sql: operations in words, each with its statements, in the order that Django sends them in.

    offers: what to write instead, by the ids of the rules. databases: those in which it does this, where the project
    has several that are PostgreSQL.
    """

    migration: Migration
    sql: tuple[tuple[str, tuple[Statement, ...]], ...]
    plan: MigrationPlan
    hazards: tuple[Hazard, ...]
    offers: tuple[tuple[str, Offer], ...] = ()
    databases: tuple[str, ...] = ()

    def is_like(self, other: Preview) -> bool:
        """Whether the same is done elsewhere too."""
        mine, theirs = (preview.plan._replace(elsewhere=()) for preview in (self, other))
        return (self.migration, self.sql, mine, self.hazards) == (other.migration, other.sql, theirs, other.hazards)


@dataclass(frozen=True)
class Previews:
    """Every new migration, dependencies first. unread: as for the linter. elsewhere: those that run in no database that
    is PostgreSQL.
    """

    migrations: tuple[Preview, ...]
    unread: int
    elsewhere: tuple[Key, ...] = ()


def of_project(
    loader: MigrationLoader, new: New, gone: Collection[Key], where: Databases, limits: policy.Policy
) -> Previews:
    """Preview migrations for each database that they run in; what is the same in several of them is there once."""
    by_aliases = [(aliases, of_new(loader, new, gone, aliases[0], limits)) for aliases in where.alike]
    previews_found: list[Preview] = []
    elsewhere = []
    for migration in _in_order(new):
        here: list[Preview] = []
        for aliases, item in ((aliases, preview) for aliases, all_of in by_aliases for preview in all_of.migrations):
            if item.migration is not migration or item.plan.is_elsewhere:
                continue
            twin = next((number for number, other in enumerate(here) if item.is_like(other)), None)
            if twin is None:
                here.append(replace(item, databases=aliases))
            else:
                here[twin] = replace(here[twin], databases=here[twin].databases + aliases)
        elsewhere += [] if here else [key_of(migration)]
        previews_found += here if where.named else (replace(preview, databases=()) for preview in here)
    return Previews(tuple(previews_found), max(previews.unread for _, previews in by_aliases), tuple(elsewhere))


def of_new(loader: MigrationLoader, new: New, gone: Collection[Key], alias: str, limits: policy.Policy) -> Previews:
    """Preview migrations for one database as if they stood after those on disk.

    new: by app label, in their order. gone: migrations on disk that they take the place of.
    """
    ordered = list(_in_order(new))
    earlier = [migration for migration in history.in_order(loader) if key_of(migration) not in gone]
    recorder = history.recorder(offline_connection(alias, OFFLINE.version))
    late: list[Statement] = []

    def walk(settings: planner.Settings, recorder: Recorder) -> HistoryPlanner:
        walk_of = HistoryPlanner(LazyState(real_apps=loader.unmigrated_apps - set(new)), recorder, OFFLINE, settings)
        with unplugged():
            walk_of.through([*earlier, *ordered], {key_of(migration) for migration in ordered}, together=True)
        return walk_of

    as_run = history.settings_of(limits)
    in_place = walk(as_run._replace(online=False), _noting(recorder, late))
    run = walk(as_run, recorder) if as_run.online else in_place
    judged = lint.judged(run, limits, together=True)
    every = [*earlier, *ordered]
    offers = offering.offers(judged.hazards, every, loader.unmigrated_apps - set(new), online=as_run.online)
    planned = zip(ordered, in_place.plans, run.plans, strict=True)
    return Previews(
        tuple(
            Preview(
                migration,
                tuple(_by_operation(plain, late)),
                plan,
                _of(migration, judged.hazards),
                tuple((rule, offer) for (key, rule, _), offer in offers.items() if key == key_of(migration)),
            )
            for migration, plain, plan in planned
        ),
        sum(judged.unread.values()),
    )


def _of(migration: Migration, hazards: Sequence[Hazard]) -> tuple[Hazard, ...]:
    return tuple(hazard for hazard in hazards if hazard.migration == key_of(migration))


def _noting(recorder: Recorder, late: list[Statement]) -> Recorder:
    """The recorder, made to note which statements Django puts off to the end of their migration."""

    def noted(catalog: VirtualCatalog) -> Any:
        editor = recorder(catalog)
        take = editor.take

        def taking(deferred: Sequence[Any] = ()) -> tuple[Statement, ...]:
            taken: tuple[Statement, ...] = take(deferred)
            late.extend(taken if deferred else ())
            return taken

        editor.take = taking
        return editor

    return noted


def _by_operation(plan: MigrationPlan, late: Sequence[Statement]) -> Iterator[tuple[str, tuple[Statement, ...]]]:
    """A plan in place, in Django's order: what is put off comes last."""
    titles = {id(statement): step.title for step in plan.steps for statement in step.statements}
    order = {statement.sql: number for number, statement in enumerate(late)}
    deferred = (statement for step in plan.steps for statement in step.statements if statement.deferred)
    put_off = sorted(deferred, key=lambda statement: order.get(statement.sql, len(order)))
    known = {id(statement) for statement in put_off}
    for _, steps in groupby(plan.steps, key=lambda step: step.operation):
        group = list(steps)
        sent = tuple(statement for step in group for statement in step.statements if id(statement) not in known)
        if sent or not any(step.statements for step in group):
            yield group[0].title, sent
    for title, statements in groupby(put_off, key=lambda statement: titles[id(statement)]):
        yield f"{title} (at the end)", tuple(statements)


def _in_order(new: New) -> Iterator[Migration]:
    """New migrations after those among them that they depend on."""
    by_key: dict[tuple[str, str], Migration] = {
        key_of(migration): migration for listed in new.values() for migration in listed
    }
    firsts = {(label, "__first__"): listed[0] for label, listed in new.items() if listed[0].initial}
    placed: set[Key] = set()

    def place(migration: Migration) -> Iterator[Migration]:
        if key_of(migration) in placed:
            return
        placed.add(key_of(migration))
        for label, name in migration.dependencies:
            if needed := by_key.get((label, name)) or firsts.get((label, name)):
                yield from place(needed)
        yield migration

    for waiting in by_key.values():
        yield from place(waiting)
