"""Offers for hazards: one walk through the history's models, which stops where a rule has an offer to make."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence

from django.db.migrations import Migration

from lockgate.facts import Key
from lockgate.linting.hazards import Hazard
from lockgate.linting.rules.offer import Offer, Situation
from lockgate.planning import history
from lockgate.planning.selection import key_of
from lockgate.project_state.lazy_state import LazyState

Place = tuple[Key, str, int | None]


def place(hazard: Hazard) -> Place:
    """What an offer is for: a rule's finding in an operation."""
    return hazard.migration, hazard.rule.id, hazard.operation


def offers(
    hazards: Iterable[Hazard], ordered: Sequence[Migration], real_apps: set[str], *, online: bool
) -> dict[Place, Offer]:
    """What to write instead, for the hazards that nobody has accepted. ordered: the whole history."""
    by_migration: dict[object, list[Hazard]] = {}
    for hazard in hazards:
        if hazard.rule.instead and hazard.operation is not None and not hazard.accepted:
            by_migration.setdefault(hazard.migration, []).append(hazard)
    state = LazyState(real_apps=real_apps)
    by_place: dict[Place, Offer] = {}
    for migration in ordered:
        if not by_migration:
            break
        here = by_migration.pop(key_of(migration), [])
        if not here:
            history.forwards(migration, state)
            continue
        for number, operation in enumerate(migration.operations):
            before = state.clone() if any(hazard.operation == number for hazard in here) else state
            for hazard in here:
                if hazard.operation == number and (
                    offer := _offer(hazard, Situation(migration, number, before, online))
                ):
                    by_place[place(hazard)] = offer
            with contextlib.suppress(Exception):  # a third party's, or a history that fits together no more
                operation.state_forwards(migration.app_label, state)
    return by_place


def _offer(hazard: Hazard, situation: Situation) -> Offer | None:
    with contextlib.suppress(Exception):  # a third party's field or operation; then the remedy in words must do
        return hazard.rule.instead(situation) if hazard.rule.instead else None
    return None
