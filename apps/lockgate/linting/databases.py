"""The databases of a project, as the linter sees them: it judges each operation on those that it runs on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, connections

from lockgate.errors import WrongArgument
from lockgate.facts import Key
from lockgate.linting.hazards import Hazard
from lockgate.linting.lint import LintResult
from lockgate.linting.rules.acceptance import of_nothing
from lockgate.planning.selection import key_of
from lockgate.project_state.eligibility import routed


class Databases(NamedTuple):
    """judged: aliases. others: the rest, each with what it is. named: whether findings say where they are.

    assumed: no database is PostgreSQL, and the default one is judged as if it were.
    """

    judged: tuple[str, ...]
    others: tuple[tuple[str, str], ...] = ()
    named: bool = False
    assumed: bool = False

    @property
    def alike(self) -> list[tuple[str, ...]]:
        """The judged ones, those together to which the same is sent: where no router has a say, by their engine."""
        groups: dict[str, list[str]] = {}
        for alias in self.judged:
            groups.setdefault(alias if routed() else connections.settings[alias]["ENGINE"], []).append(alias)
        return [tuple(group) for group in groups.values()]


def of_project(alias_asked: str | None = None) -> Databases:
    """Every one that is PostgreSQL, but no replica of another. alias_asked: the only one to judge.

    Raises WrongArgument where that is not PostgreSQL.
    """
    vendors = {alias: _vendor(alias) for alias in connections if not _replica(alias) or alias == alias_asked}
    aliases = [alias for alias, vendor in vendors.items() if vendor == "postgresql"]
    if alias_asked and alias_asked not in aliases and aliases:
        raise WrongArgument(f'database "{alias_asked}" is {vendors[alias_asked]}, not PostgreSQL')
    judged = (alias_asked,) if alias_asked else tuple(aliases) or (DEFAULT_DB_ALIAS,)
    others = tuple((alias, vendor) for alias, vendor in vendors.items() if alias not in judged)
    return Databases(judged, others, named=len(aliases) > 1, assumed=not aliases)


def _replica(alias: str) -> bool:
    return bool(connections.settings[alias].get("TEST", {}).get("MIRROR"))


def _vendor(alias: str) -> str:
    try:
        return str(connections[alias].vendor)
    except ImproperlyConfigured:  # its driver is not installed here
        return "unknown"


def merged(results: Mapping[tuple[str, ...], LintResult], *, named: bool) -> LintResult:
    """What was judged for several databases as one: of what is the same in all of them, one finding."""
    migrations = {key_of(migration): migration for linted in results.values() for migration in linted.migrations}
    places = _places(results)
    hazards: dict[tuple[object, ...], tuple[Hazard, list[str]]] = {}
    unread: dict[Key, int] = {}
    for aliases, linted in results.items():
        for hazard in linted.hazards:
            if hazard.migration not in linted.elsewhere:
                _, known = hazards.setdefault((hazard.rule.id, *hazard[1:]), (hazard, []))
                known.extend(aliases)
        unread |= {key: max(number, unread.get(key, 0)) for key, number in linted.unread.items()}
    order = {key: place for place, key in enumerate(migrations)}
    kept = [
        hazard._replace(databases=tuple(aliases) if named else ())
        for hazard, aliases in hazards.values()
        if hazard.rule is not of_nothing or len(aliases) == len(places[hazard.migration])
    ]
    kept.sort(
        key=lambda finding: (
            order[finding.migration],
            -1 if finding.operation is None else finding.operation,
            finding.rule.id,
        )
    )
    nowhere = frozenset(key for key, aliases in places.items() if not aliases)
    return LintResult(tuple(migrations.values()), tuple(kept), unread, nowhere)


def _places(results: Mapping[tuple[str, ...], LintResult]) -> dict[Key, list[str]]:
    """Each migration with the databases that it runs in, of those for which it was judged."""
    places: dict[Key, list[str]] = {}
    for aliases, linted in results.items():
        for key in map(key_of, linted.migrations):
            places.setdefault(key, []).extend(aliases if key not in linted.elsewhere else ())
    return places
