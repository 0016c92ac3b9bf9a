"""What ``lockgate lint`` reports: hazards, with their databases, their places and what to write instead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from django.db import connections
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader

from lockgate import policy
from lockgate.facts import Key
from lockgate.linting import databases, lint, migration_files, offering, operation_digest, own_rules, selection
from lockgate.linting.databases import Databases
from lockgate.linting.lint import LintResult
from lockgate.linting.rules.offer import Offer
from lockgate.linting.selection import LintRequest, Selection
from lockgate.planning import history, sql_parser
from lockgate.planning.selection import key_of
from lockgate.reporting import migration_code
from lockgate.reporting.hazard_report import LocatedHazard, Report

_SHOWN = 3  # migrations that a note names


def judge(
    asked: LintRequest, where: Databases, limits: policy.Policy, ordered: list[Migration], *, asks: bool
) -> Report:
    """asks: each database is asked for its facts. ordered: gets every migration there is."""
    loader = MigrationLoader(None)
    ordered += history.in_order(loader)
    selected = [] if asks else [selection.select(asked, ordered, loader)]
    results: dict[tuple[str, ...], LintResult] = {}
    if asks:
        for alias in where.judged:
            there = MigrationLoader(connections[alias])
            selected.append(selection.select(asked, history.in_order(there), there))
            results[(alias,)] = lint.online(there, _keys(selected[-1]), connections[alias], limits)
    for aliases in [] if asks else where.alike:
        results[aliases] = lint.offline(
            loader, _keys(selected[0]), aliases[0], limits, together=asked.changed is not None
        )
    linted = databases.merged(results, named=where.named)
    offers = offering.offers(linted.hazards, ordered, loader.unmigrated_apps, online=limits.online)
    keys = frozenset[Key]().union(*map(_keys, selected))
    return Report(
        _placed(linted, offers),
        len(linted.migrations) - len(linted.elsewhere),
        tuple(_notes(linted, where, selected[0], asks=asks)),
        keys,
        sum(linted.unread.values()),
        tuple(own_rules.in_force(limits).values()),
    )


def _keys(selected: Selection) -> set[Key]:
    return {key_of(migration) for migration in selected.migrations}


def _placed(linted: LintResult, offers: Mapping[offering.Place, Offer]) -> tuple[LocatedHazard, ...]:
    migrations = {key_of(other): other for other in linted.migrations}
    files = {key: migration_files.path_of(other) for key, other in migrations.items()}
    located = []
    for hazard in linted.hazards:
        migration = migrations[hazard.migration]
        path = files[hazard.migration]
        line = migration_files.line_of(path, hazard.operation) if path else 1
        digest = "" if hazard.operation is None else operation_digest.of(migration.operations[hazard.operation])
        offer = offers.get(offering.place(hazard))
        code = migration_code.of(offer, migration) if offer else ()
        note = offer.note if offer and code else ""
        located.append(LocatedHazard(hazard, _shown(path) if path else "", line, digest, code=code, note=note))
    return tuple(located)


def _shown(path: Path) -> str:
    here = Path.cwd()
    return path.relative_to(here).as_posix() if path.is_relative_to(here) else path.as_posix()


def _notes(linted: LintResult, where: Databases, selected: Selection, *, asks: bool) -> Iterator[str]:
    if not asks:
        yield (
            "offline: no database was asked, so every table counts as large; "
            f"--database {where.judged[0]} judges by real sizes, sessions and indexes"
        )
    yield from _of_databases(linted, where)
    if not sql_parser.available():
        yield "PostgreSQL's parser is not installed, so no SQL was read: pip install django-lockgate[sql]"
    if selected.installed:
        yield f"{len(selected.installed)} migrations of installed packages were left out; name an app to judge its own"
    if selected.early:
        yield f"{len(selected.early)} migrations were left out: {selection.SETTING} says that they are history"


def _of_databases(linted: LintResult, where: Databases) -> Iterator[str]:
    """Which databases it was judged for, where that is a question, and what runs in none of them."""
    judged = ", ".join(where.judged)
    if where.assumed:
        yield f"no database of the project is PostgreSQL: judged as if {judged} were"
    elif where.named or where.others:
        others = [alias if vendor == "postgresql" else f"{alias} ({vendor})" for alias, vendor in where.others]
        left = f"; not for {', '.join(others)}" if others else ""
        yield f"judged for the database{'s' if len(where.judged) > 1 else ''} {judged}{left}"
    if linted.elsewhere:
        keys = [str(key) for key in map(key_of, linted.migrations) if key in linted.elsewhere]
        one = len(keys) == 1
        yield (
            f"{len(keys)} migration{' does' if one else 's do'} not run in {judged}, as the project's routers say, and "
            f"{'was' if one else 'were'} not judged: {', '.join(keys[:_SHOWN])}"
            + (f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else "")
        )
