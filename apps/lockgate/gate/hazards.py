"""What a run is about to do, judged by the facts of now: its hazards are reported, or refused.

Under the lock, before anything runs, and on copies: judging changes neither the database nor what will be executed.
A run that was not told to refuse is never stopped by it, and never held up: what cannot be judged is said to be so.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import RunPython, RunSQL, SeparateDatabaseAndState

from lockgate import policy
from lockgate.database import catalog
from lockgate.errors import LockgateError
from lockgate.events import HazardFound, HazardsFound, HazardsUnknown
from lockgate.execution import failures
from lockgate.facts import Key
from lockgate.gate import leftovers, pending_plan
from lockgate.gate.context import GateContext
from lockgate.gate.pending_plan import Pending
from lockgate.gate.preflight import Preflight
from lockgate.linting import hazards, lint
from lockgate.linting.hazards import Hazard
from lockgate.planning import history
from lockgate.planning.identifiers import names_schema
from lockgate.project_state.operations import copy_of

# Operations whose tables no state names: they may change one of an app that is not pending at all.
_OF_UNKNOWN_TABLES = RunPython | RunSQL | SeparateDatabaseAndState
_SHOWN = 3  # hazards named in a refusal; the rest are counted
_ONCE = "LOCKGATE_ON_HAZARD=report manage.py migrate"


class HazardsRefused(LockgateError):
    """what would run has hazards that no migration accepts"""


def judge(preflight: Preflight, gate: GateContext, tables: Collection[str]) -> None:
    """Report the hazards of pending forward migrations; refuse those of severity error where that is the policy.

    tables: the tables that the database has. Raises HazardsRefused.
    """
    refuses = gate.limits.on_hazard == "refuse"
    try:
        judged = _hazards(preflight, tables, gate.connection, gate.limits)
    except (Exception, SystemExit) as error:  # a third party's operation may do anything
        why = failures.why(error, failures.sqlstate_of(error))
        if refuses:
            raise _unknown(why) from error
        gate.listen(HazardsUnknown(why))
        return
    _report(judged, gate)
    blocking = [hazard for hazard in judged if hazard.blocking]
    if refuses and blocking:
        raise _refused(blocking)


def _hazards(
    preflight: Preflight, tables: Collection[str], connection: BaseDatabaseWrapper, limits: policy.Policy
) -> list[Hazard]:
    planned = _planned(preflight.pending, preflight.loader, tables, lazy=limits.lazy_rendering)
    if planned is None:
        return []
    left = leftovers.of_release(connection, preflight.disk, preflight.reading)
    facts = left.cleared(catalog.facts(connection, planned.tables, limits.large_table_bytes), connection)
    plans = pending_plan.steps(planned, facts, connection.alias, history.settings_of(limits))
    facts = catalog.measured(connection, facts, limits.large_table_bytes, blind=hazards.blind(plans))
    facts = catalog.surveyed(connection, facts, hazards.touched(plans))
    done = left.done(planned.migrations)
    judged = hazards.find(plans, facts, planned.migrations, lint.settings_of(limits))
    return [hazard for hazard in judged if (hazard.migration, hazard.operation) not in done]


def _planned(pending: Sequence[Key], loader: MigrationLoader, tables: Collection[str], *, lazy: bool) -> Pending | None:
    """What must be planned to know; None where nothing that is there already can be concerned."""
    migrations = [
        copy_of(loader.graph.nodes[key])
        for key in pending
        if key not in loader.applied_migrations and key.app != "lockgate"
    ]
    start = pending_plan.pending(loader, migrations, lazy=lazy)
    if start.tables.intersection(tables) or any(map(names_schema, start.tables)):
        return start
    begun = any(app != "lockgate" for app, _ in loader.applied_migrations)
    blind = any(
        isinstance(operation, _OF_UNKNOWN_TABLES) for migration in migrations for operation in migration.operations
    )
    return start if begun and blind else None


def _report(judged: Sequence[Hazard], gate: GateContext) -> None:
    for hazard in judged:
        rule = hazard.rule
        gate.listen(
            HazardFound(
                hazard.migration,
                rule.id,
                rule.name,
                str(rule.severity),
                hazard.what,
                _sentence(rule.effect),
                hazard.accepted,
            )
        )
    if judged:
        errors, accepted = sum(hazard.blocking for hazard in judged), sum(bool(hazard.accepted) for hazard in judged)
        gate.listen(HazardsFound(errors, len(judged) - errors - accepted, accepted))


def _sentence(effect: str) -> str:
    """The first sentence of an effect; the rest is where rules are explained."""
    return effect.partition(". ")[0].rstrip(".")


def _refused(blocking: Sequence[Hazard]) -> HazardsRefused:
    shown = blocking[:_SHOWN]
    lines = [
        f"{hazard.rule.id} in {hazard.migration}: {hazard.what}. {_sentence(hazard.rule.effect)}" for hazard in shown
    ]
    more = len(blocking) - len(shown)
    first = blocking[0].rule.id
    return HazardsRefused(
        f"{len(blocking)} hazard{'' if len(blocking) == 1 else 's'} of severity error that no migration accepts",
        why="\n".join(['LOCKGATE["ON_HAZARD"] is "refuse"', *lines, *([f"and {more} more"] if more else [])]),
        next_step=f"change the migration, as manage.py lockgate lint --explain {first} says,\n"
        f'or accept in it what is safe here:  lockgate_accept = {{"{first}": "the reason"}}\n'
        f"or apply it as it is:  {_ONCE}",
    )


def _unknown(why: str) -> HazardsRefused:
    return HazardsRefused(
        "the hazards of what would run are unknown",
        why=f'LOCKGATE["ON_HAZARD"] is "refuse", and planning failed: {why}',
        next_step=f"correct the cause, and run again; or apply it unjudged:  {_ONCE}",
    )
