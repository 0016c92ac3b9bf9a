"""LG8xx: references that the serving release does not know of."""

from __future__ import annotations

from collections.abc import Iterator

from lockgate.linting.rules.rule import WARNING, Finding, rule
from lockgate.linting.rules.rule_context import RuleContext
from lockgate.planning import sql_changes
from lockgate.planning.steps import Change, Kind

_CONTENT_TYPES = "django_content_type"  # only remove_stale_contenttypes deletes of it, which people run


@rule(
    "LG814",
    "reference-unknown-to-old-code",
    WARNING,
    condition="A new column or a new table gets a foreign key to a table that is there already, and that is not of "
    "Django's content types, whose rows no request deletes.",
    effect="Django cascades in its own code, and the release that still serves does not know the new reference: as "
    "soon as the new release has written one, the old one's delete of the row that it points to fails (23503).",
    remedy="Where the release before this one deletes such rows, add the field with db_constraint=False, and take that "
    "away with AlterField in the next release, when all code knows the field. Otherwise accept this hazard by saying "
    "that nothing deletes them.",
    rests_on="https://docs.djangoproject.com/en/stable/ref/models/fields/#django.db.models.ForeignKey.on_delete",
    unsafe="""
        migrations.AddField(
            "order", "payer", models.ForeignKey("shop.Customer", models.CASCADE, null=True, related_name="+")
        ),
    """,
    safe="""
        migrations.AddField(
            "order",
            "payer",
            models.ForeignKey("shop.Customer", models.CASCADE, null=True, related_name="+", db_constraint=False),
        ),
    """,
    other_end="The database checks no reference yet; that comes with the next release.",
)
def unknown_to_old_code(context: RuleContext) -> Iterator[Finding]:
    changes = [(step, change) for step in context.steps for change in step.changes]
    added = {(change.table, change.columns) for _, change in changes if change.kind is Kind.ADD_COLUMN}
    yield from _of_new_tables_by_hand(context)
    for step, change in changes:
        cascades = change.special  # ON DELETE: the database itself sees to the rows that refer
        key = change.kind is Kind.ADD_FOREIGN_KEY and change.references and not cascades
        known = key and _may_lose_rows(context, change.references)
        if known and (not context.existed(change.table) or (change.table, change.columns) in added):
            yield Finding(_what(context, change), step.operation, change.references)


def _of_new_tables_by_hand(context: RuleContext) -> Iterator[Finding]:
    """CREATE TABLE of SQL, unless the database itself sees to the rows that refer, in each of its references."""
    for step, statement in context.sql:
        tokens = statement.tokens
        actions = [tokens[at + 2] for at in range(len(tokens) - 2) if tokens[at : at + 2] == ("ON", "DELETE")]
        if sum(action in ("CASCADE", "SET") for action in actions) >= tokens.count("REFERENCES"):
            continue
        for change in sql_changes.of(statement.text):
            if change.kind is Kind.CREATE_TABLE and change.references and _may_lose_rows(context, change.references):
                yield Finding(_what(context, change), step.operation, change.references)


def _may_lose_rows(context: RuleContext, table: str) -> bool:
    """Whether the release that serves knows a table, and may delete from it."""
    return context.existed(table) and table != _CONTENT_TYPES


def _what(context: RuleContext, change: Change) -> str:
    return (
        f'rows of "{change.table}" will refer to {context.described(change.references)}, which the serving '
        "release cannot delete then"
    )
