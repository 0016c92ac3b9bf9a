"""Hazards: what rules find in plans, less what a migration accepts with a reason. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from django.db.migrations import Migration

from lockgate.errors import LockgateError
from lockgate.facts import Key
from lockgate.facts.tables import DatabaseFacts
from lockgate.linting.rules import ALL, BY_ID, Finding, Rule, Severity, acceptance
from lockgate.linting.rules.rule_context import HazardSettings, RuleContext
from lockgate.planning import sql_changes, sql_statements, sql_steps
from lockgate.planning.consequences import DependentTracker
from lockgate.planning.selection import key_of
from lockgate.planning.steps import Change, Kind, MigrationPlan
from lockgate.redaction import masked


class Hazard(NamedTuple):
    """A finding in a migration. operation: its place there, from 0. accepted: the reason to tolerate it, if any.

    databases: where it is, where a project has several that are PostgreSQL. pattern: of its finding.
    """

    rule: Rule
    migration: Key
    what: str
    operation: int | None = None
    table: str = ""
    accepted: str = ""
    databases: tuple[str, ...] = ()
    pattern: str = ""

    @property
    def remedy(self) -> str:
        """What to do instead, with what is known of this place."""
        return f"{self.rule.remedy} {self.pattern}".strip()

    @property
    def where(self) -> str:
        """The databases, to be appended to what it is."""
        several = "s" if len(self.databases) > 1 else ""
        return f", in the database{several} {', '.join(self.databases)}" if self.databases else ""

    @property
    def blocking(self) -> bool:
        """Whether it is an error that nobody accepted."""
        return self.rule.severity is Severity.ERROR and not self.accepted


class SqlFinding(NamedTuple):
    """What squawk said of one statement of a RunSQL. rule: squawk's name."""

    migration: Key
    operation: int
    rule: str
    message: str


def find(  # noqa: PLR0913  what a judgement is made of
    plans: Sequence[MigrationPlan],
    facts: DatabaseFacts,
    migrations: Iterable[Migration],
    settings: HazardSettings,
    sql: Iterable[SqlFinding] = (),
    *,
    fixed: Container[tuple[str, str]] = (),
) -> list[Hazard]:
    """What is hazardous in plans that go out together, in their order; accepted hazards are marked, not left out.

    migrations: those of the plans. sql: what squawk found in the statements of ``unread``. fixed: migrations that are
    applied or built upon, so that nothing can be changed in them any more.
    """
    by_key = {key_of(migration): migration for migration in migrations}
    new = _new_tables(plans)
    was: dict[str, str] = {}
    watch = DependentTracker(facts)
    hazards: list[Hazard] = []
    for plan, validated in zip(plans, _validated_later(plans), strict=True):
        for change in (change for step in plan.steps for change in step.changes if change.kind is Kind.RENAME_TABLE):
            was[change.name] = was.pop(change.old_name, change.old_name)
        case = RuleContext(
            by_key[plan.migration], plan, facts, settings, new, dict(was), plan.migration in fixed, validated
        )
        if facts.dependents:
            case = replace(case, consequences=tuple(watch.through(case.steps)))
        hazards += _judged(case, [finding for finding in sql if finding.migration == plan.migration])
    return hazards


def not_read(plans: Iterable[MigrationPlan]) -> int:
    """How many statements and functions were not read, or not to their end: what they lock is not known."""
    changes = (change for plan in plans for step in plan.steps for change in step.changes)
    return sum(change.unread for change in changes)


def blind(plans: Iterable[MigrationPlan]) -> bool:
    """Whether a plan may touch any table: it has an operation or SQL that nobody can say a table of."""
    changes = (change for plan in plans for change in _changes(plan))
    return any(change.kind is Kind.UNKNOWN and not change.read and not change.table for change in changes)


def unread(plans: Iterable[MigrationPlan]) -> Iterator[tuple[Key, int, str]]:
    """Statements of RunSQL that only a real parser understands: the migration, the operation and the text."""
    for plan in plans:
        for step in plan.steps:
            for statement in step.statements:
                if sql_steps.is_sql(statement.changes):
                    for part in sql_statements.statements(statement.text):
                        if not sql_changes.known(part.text):
                            yield plan.migration, step.operation, part.text


def _judged(case: RuleContext, sql: Iterable[SqlFinding]) -> list[Hazard]:
    """The hazards of one migration, by their place in it, and what is wrong with what it accepts."""
    key = case.plan.migration
    own = case.settings.own
    rules = {(rule.id, finding): rule for rule in ALL for finding in rule.find(case)}
    rules |= {(rule.id, finding): rule for rule in own for finding in _by_project(rule, case)}
    seen = {(identity, finding.operation) for identity, finding in rules}
    for hazard in sql:
        for rule in (rule for rule in (*ALL, *own) if hazard.rule in rule.squawk):
            if (rule.id, hazard.operation) not in seen:
                rules[rule.id, Finding(hazard.message, hazard.operation)] = rule
    reasons: Mapping[object, object] = acceptance.accepted(case.migration)
    hazards = [
        Hazard(
            rule,
            key,
            finding.what,
            finding.operation,
            finding.table,
            acceptance.reason(reasons, identity),
            pattern=finding.pattern,
        )
        for (identity, finding), rule in rules.items()
    ]
    found_ids, known = {hazard.rule.id for hazard in hazards}, {*BY_ID, *(hazard.id for hazard in own)}
    hazards += [
        Hazard(rule, key, finding.what)
        for rule, finding in acceptance.problems(reasons, found_ids, known, idle=case.facts.offline)
    ]
    return sorted(hazards, key=lambda hazard: (-1 if hazard.operation is None else hazard.operation, hazard.rule.id))


def _by_project(rule: Rule, case: RuleContext) -> list[Finding]:
    """What a rule of the project's own finds. Raises LockgateError where it fails, since that is unknown then."""
    try:
        return list(rule.find(case))
    except Exception as error:
        why = f"in {case.plan.migration}: {type(error).__name__}: {error}"
        next_step = f"correct the rule, which is {rule.find.__module__}.{rule.find.__name__}"
        raise LockgateError(f"the rule {rule.id} failed", why=masked(why), next_step=next_step) from error


def touched(plans: Sequence[MigrationPlan]) -> frozenset[str]:
    """The tables that are there and changed, by the names that they have before the plans."""
    new, was = _new_tables(plans), dict[str, str]()
    tables: set[str] = set()
    for change in (change for plan in plans for change in _changes(plan)):
        if change.table not in new:
            tables.add(was.get(change.table, change.table))
        if change.kind is Kind.RENAME_TABLE:
            was[change.name] = was.pop(change.old_name, change.old_name)
    return frozenset(tables - {""})


def _new_tables(plans: Iterable[MigrationPlan]) -> frozenset[str]:
    """Tables that the plans make, those of RunSQL among them: nobody else knows of them yet."""
    tables: set[str] = set()
    for plan in plans:
        tables |= plan.new_tables
        tables.update(change.table for change in _changes(plan) if change.kind is Kind.CREATE_TABLE)
    return frozenset(tables)


def _validated_later(plans: Sequence[MigrationPlan]) -> list[frozenset[str]]:
    """For each plan, the constraints that a later one of them validates, by name."""
    validated: list[frozenset[str]] = []
    names: frozenset[str] = frozenset()
    for plan in reversed(plans):
        validated.append(names)
        names |= {change.name for change in _changes(plan) if change.kind is Kind.VALIDATE_CONSTRAINT}
    return validated[::-1]


def _changes(plan: MigrationPlan) -> Iterator[Change]:
    for step in plan.steps:
        yield from step.changes
