"""LG0xx: what a migration accepts, and what is wrong with that.

A migration accepts hazards in a class attribute, by id and with a reason::

    class Migration(migrations.Migration):
        lockgate_accept = {"LG801": "the column has been unused since release 41"}
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from django.db.migrations import Migration

from lockgate.linting.rules.rule import ERROR, WARNING, Finding, Rule, rule
from lockgate.linting.rules.rule_context import RuleContext

ATTRIBUTE = "lockgate_accept"
LIVE = "LG9"  # the group of rules that only a live database shows
_DROP = 'migrations.RemoveField("order", "note"),'


def accepted(migration: Migration) -> Mapping[object, object]:
    """What a migration says it accepts: reasons by id, as written. A list of ids has no reasons."""
    reasons = getattr(migration, ATTRIBUTE, {})
    return reasons if isinstance(reasons, Mapping) else dict.fromkeys(reasons, "")


def reason(accepted: Mapping[object, object], identity: str) -> str:
    """Why a rule's findings are accepted; empty where they are not."""
    text = accepted.get(identity, "")
    return text.strip() if isinstance(text, str) else ""


def problems(
    accepted: Mapping[object, object], ids_found: Collection[str], known: Collection[str], *, idle: bool
) -> Iterator[tuple[Rule, Finding]]:
    """What is wrong with an acceptance. ids_found: ids that were found in the migration. known: every id there is.

    idle: report what accepts nothing. Of a given database that says little: its tables may be small today.
    """
    for identity in accepted:
        if identity not in known:
            yield unknown, Finding(f'{ATTRIBUTE} names "{identity}", which is no rule')
        elif not reason(accepted, str(identity)):
            yield without_reason, Finding(f"{ATTRIBUTE} gives no reason for {identity}")
        elif idle and identity not in ids_found and not str(identity).startswith(LIVE):
            yield of_nothing, Finding(f"{ATTRIBUTE} accepts {identity}, which is not found in this migration")


def _by_hazards(context: RuleContext) -> Iterator[Finding]:
    """Nothing: an acceptance can be judged only when everything else has been."""
    return iter(())


def _example(attribute: str) -> str:
    return (
        f"class Migration(migrations.Migration):\n    {ATTRIBUTE} = {attribute}\n\n"
        f"    operations = [\n        {_DROP}\n    ]\n"
    )


_SAFE = _example('{"LG801": "no release has read it since 41"}')

without_reason = rule(
    "LG001",
    "accepted-without-reason",
    ERROR,
    condition=f"{ATTRIBUTE} has an id without a reason.",
    effect="Whoever meets the hazard later cannot know whether it was thought about; it counts as not accepted.",
    remedy="Write down why it is safe here, in a clause: what was checked, on which table, by whom if that helps.",
    rests_on="https://docs.djangoproject.com/en/stable/topics/migrations/#migration-files",
    unsafe=_example('{"LG801": ""}'),
    safe=_SAFE,
)(_by_hazards)

unknown = rule(
    "LG002",
    "accepted-unknown",
    ERROR,
    condition=f"{ATTRIBUTE} names an id that does not exist.",
    effect="Nothing is accepted by it, and the hazard that was meant is still reported, or will be.",
    remedy="Use an id of the rules' index; `lockgate lint` prints it with each hazard.",
    rests_on="https://docs.djangoproject.com/en/stable/topics/migrations/#migration-files",
    unsafe=_example('{"LG801": "no release has read it since 41", "LG8001": "a slip"}'),
    safe=_SAFE,
)(_by_hazards)

of_nothing = rule(
    "LG003",
    "accepted-nothing",
    WARNING,
    condition=f"{ATTRIBUTE} names a rule that finds nothing in the migration.",
    effect="An acceptance that outlives its hazard hides the next one of its kind.",
    remedy="Remove it. Where a rule depends on the database (a table's size), keep it only if it is found there.",
    rests_on="https://docs.djangoproject.com/en/stable/topics/migrations/#migration-files",
    unsafe=_example('{"LG102": "the table is idle"}'),
    safe=_SAFE,
)(_by_hazards)
