"""LG91x: what depends on the tables that a migration changes, as the catalog knows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from lockgate.facts.dependents import Dependent, DependentKind
from lockgate.linting.rules.example_models import given, table
from lockgate.linting.rules.rule import ERROR, WARNING, Example, Finding, rule, source
from lockgate.linting.rules.rule_context import RuleContext
from lockgate.planning.consequences import Consequence
from lockgate.planning.dependents import Outcome
from lockgate.planning.steps import Change, Kind


def _example(operation: str, *listed: Dependent, what: str) -> Example:
    return Example(source(operation), given(table("shop_order"), dependents=listed), what)


_TOTALS = Dependent("shop_order", DependentKind.VIEW, "reporting.totals", ("total",), bare="totals")
_BIG = 'migrations.AlterField("order", "total", models.BigIntegerField(default=0)),'
_NOTED = Dependent(
    "shop_order", DependentKind.TRIGGER_FUNCTION, "noted(), by trigger noted of public.shop_order", ("note",), own=True
)
_STREAM = Dependent("shop_order", DependentKind.PUBLICATION, "stream", own=True, rests_on="identity")
_STATISTICS = Dependent("shop_order", DependentKind.STATISTICS, "public.both", ("note", "total"), own=True)
_KEPT = 'migrations.SeparateDatabaseAndState(state_operations=[migrations.RemoveField("order", "note")]),'
_KEPT_TABLE = 'migrations.SeparateDatabaseAndState(state_operations=[migrations.DeleteModel("order")]),'
_NOTES = _TOTALS._replace(name="reporting.notes", columns=("note",), bare="notes")
_ADD = 'migrations.AddField("order", "source", models.CharField(max_length=20, null=True)),'


@rule(
    "LG910",
    "goes-with-cascade",
    ERROR,
    condition="A table or column is dropped with CASCADE, as Django drops tables, and before 6.0 columns too, and the "
    "database has views, policies, functions, triggers, foreign keys, publications or child tables that depend on it.",
    effect="They are dropped with it, without a word: whoever reads the view fails, what the policy or the trigger did "
    "is done no more, and a table leaves its publication.",
    rests_on="https://www.postgresql.org/docs/current/ddl-depend.html",
    remedy="Drop or replace each of them first, in SQL that names it, once nobody uses it; what knows of it is not "
    "reported.",
    unsafe=_example('migrations.DeleteModel("order"),', _NOTES, what="where a view shows a column"),
    safe=_example(_KEPT_TABLE, _NOTES, what="where a view shows a column"),
    other_end="What others depend on stays.",
)
def goes_along(context: RuleContext) -> Iterator[Finding]:
    return _findings(context, Outcome.GOES, "{what} of {table} takes along {dependents}")


@rule(
    "LG911",
    "refused-for-what-depends",
    ERROR,
    condition="PostgreSQL refuses the change, because of what the database has: a view, policy, trigger, generated "
    "column, function or publication that uses a column whose type changes, a partition key, an inherited column, a "
    "constraint that others need, a table that is foreign.",
    effect="The migration fails, after all that it prepared online has been built; the run ends there.",
    rests_on="https://www.postgresql.org/docs/current/sql-altertable.html",
    remedy="Drop what is in the way before, and make it again after, in SQL of the same migration: RunSQL with "
    "DROP VIEW …, the change, then RunSQL with CREATE VIEW ….",
    unsafe=_example(_BIG, _TOTALS, what="where a view uses the column"),
    safe=_example(_ADD, _TOTALS, what="where a view uses another column"),
    other_end="Nothing is changed that others depend on.",
)
def refused(context: RuleContext) -> Iterator[Finding]:
    return _findings(context, Outcome.REFUSED, "{what} of {table} is refused for {dependents}")


@rule(
    "LG912",
    "stops-working-afterwards",
    ERROR,
    condition="A column that the function of a trigger names is dropped or renamed, the identity of a table whose "
    "changes are published goes, or a table changes that a subscription fills.",
    effect="The migration succeeds; then every write that fires the trigger fails, UPDATE and DELETE of the published "
    "table fail for lack of a replica identity, or the subscription stops.",
    rests_on="https://www.postgresql.org/docs/current/logical-replication-publication.html",
    remedy="Change the function first, so that it works with and without the column; give the table another identity "
    "first: ALTER TABLE … REPLICA IDENTITY USING INDEX ….",
    unsafe=_example(
        'migrations.RemoveField("order", "note"),', _NOTED, what="where the function of a trigger names the column"
    ),
    safe=_example(_KEPT, _NOTED, what="where the function of a trigger names the column"),
    other_end="The column that others use stays.",
)
def breaks(context: RuleContext) -> Iterator[Finding]:
    return _findings(context, Outcome.BREAKS, "after {what} of {table} this fails: {dependents}")


@rule(
    "LG913",
    "subscribers-left-behind",
    WARNING,
    condition="A published table gets a column, another type, or another name, and its publication is not limited to "
    "other columns.",
    effect="Logical replication does not carry changes of the schema: a subscriber that lacks the column or the name "
    "stops at the first row, and the publisher keeps its log for it until the disk is full.",
    rests_on="https://www.postgresql.org/docs/current/logical-replication-restrictions.html",
    remedy="Change subscribers first where something is added, and last where something goes; then accept this hazard. "
    "What follows the schema by itself (Debezium) needs nothing.",
    unsafe=_example(_ADD, _STREAM, what="where the table is published"),
    safe=_example(
        'migrations.AddIndex("order", models.Index(fields=["number"], name="order_number")),',
        _STREAM,
        what="where the table is published",
    ),
    other_end="Nothing is changed that subscribers would lack.",
)
def lags(context: RuleContext) -> Iterator[Finding]:
    return _findings(context, Outcome.LAGS, "{what} of {table} is not carried to subscribers of {dependents}")


@rule(
    "LG914",
    "statistics-go-along",
    WARNING,
    condition="A column is dropped that extended statistics are kept of.",
    effect="They are dropped with it: the planner goes back to guessing of the other columns, and plans may change.",
    rests_on="https://www.postgresql.org/docs/current/sql-createstatistics.html",
    remedy="Make statistics of the columns that stay, and ANALYZE the table, in the same release.",
    unsafe=_example(
        'migrations.RemoveField("order", "note"),', _STATISTICS, what="where statistics are kept of the column"
    ),
    safe=_example(_KEPT, _STATISTICS, what="where statistics are kept of the column"),
    other_end="Nothing is changed that others depend on.",
)
def forgotten(context: RuleContext) -> Iterator[Finding]:
    return _findings(context, Outcome.FORGOTTEN, "{what} of {table} takes along {dependents}")


def _findings(context: RuleContext, outcome: Outcome, sentence: str) -> Iterator[Finding]:
    """One for each change, with all that it does this to."""
    consequences = [consequence for consequence in context.consequences if consequence.verdict.outcome is outcome]
    for _, group in groupby(consequences, key=lambda consequence: (id(consequence.step), consequence.change)):
        yield finding(context, list(group), sentence)


def finding(context: RuleContext, consequences: list[Consequence], sentence: str) -> Finding:
    first = consequences[0]
    names = ", ".join(dict.fromkeys(str(consequence.dependent) for consequence in consequences))
    place = context.described(first.change.table)
    unless = "" if first.certain else ", unless the code before it deals with that"
    what = sentence.format(what=_what(first.change), table=place, dependents=names) + unless
    return Finding(what, first.step.operation, first.change.table)


def _what(change: Change) -> str:
    """A change for people."""
    if change.kind in (Kind.RENAME_COLUMN, Kind.RENAME_TABLE, Kind.RENAME_INDEX):
        return f'{change.kind} "{change.old_name}"'
    name = change.columns[0] if change.columns else change.name
    return f'{change.kind} "{name}"' if name else str(change.kind)
