"""LG2xx: constraints that are added NOT VALID, and what validates them."""

from __future__ import annotations

from collections.abc import Iterator

from lockgate.linting.rules.offer import apart
from lockgate.linting.rules.rule import ERROR, WARNING, Finding, rule
from lockgate.linting.rules.rule_context import RuleContext, named
from lockgate.planning.steps import Kind


@rule(
    "LG207",
    "constraint-never-validated",
    WARNING,
    condition="A constraint is added NOT VALID by hand, and nothing in the migration, or in a later one of the "
    "release, validates it.",
    effect="Rows from before may violate it for ever: the planner does not use it, and code that trusts it is wrong.",
    remedy="Add the constraint with AddConstraint, which Lockgate validates; or validate it in the next migration, and "
    "accept this hazard by naming that.",
    rests_on="https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES",
    unsafe="""
        postgres_operations.AddConstraintNotValid(
            "order", models.CheckConstraint(condition=models.Q(total__gte=0), name="order_total_positive")
        ),
    """,
    safe="""
        migrations.AddConstraint(
            "order", models.CheckConstraint(condition=models.Q(total__gte=0), name="order_total_positive")
        ),
    """,
    other_end="The constraint is validated, which is what was missing.",
)
def never_validated(context: RuleContext) -> Iterator[Finding]:
    validated = {change.name for _, change in context.changes(Kind.VALIDATE_CONSTRAINT)} | context.validated
    for step, change in context.changes(Kind.ADD_CHECK, Kind.ADD_FOREIGN_KEY):
        if change.not_valid and change.name not in validated and not step.rewrite:
            what = f"constraint {named(change)}of {context.described(change.table)} is added NOT VALID and stays so"
            yield Finding(what, step.operation, change.table)


@rule(
    "LG208",
    "validated-where-added",
    ERROR,
    condition="A constraint is added NOT VALID and validated in the same transaction.",
    effect="The lock of ADD CONSTRAINT is held until the transaction ends, so everything waits for the validation's "
    "scan as if it had never been NOT VALID.",
    remedy="Add the constraint with AddConstraint, and leave both steps to Lockgate; or validate it in the next "
    "migration.",
    rests_on="https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES",
    unsafe="""
        migrations.AddField("order", "weight", models.IntegerField(null=True)),
        postgres_operations.AddConstraintNotValid(
            "order", models.CheckConstraint(condition=models.Q(weight__gte=0), name="order_weight_positive")
        ),
        postgres_operations.ValidateConstraint("order", "order_weight_positive"),
    """,
    safe=[
        """
            migrations.AddField("order", "weight", models.IntegerField(null=True)),
            postgres_operations.AddConstraintNotValid(
                "order", models.CheckConstraint(condition=models.Q(weight__gte=0), name="order_weight_positive")
            ),
        """,
        """
            postgres_operations.ValidateConstraint("order", "order_weight_positive"),
        """,
    ],
    instead=apart("its scan then holds no lock that others wait for"),
)
def validated_where_added(context: RuleContext) -> Iterator[Finding]:
    added = {change.name for step, change in context.switch(Kind.ADD_CHECK, Kind.ADD_FOREIGN_KEY) if change.not_valid}
    for step, change in context.switch(Kind.VALIDATE_CONSTRAINT):
        if context.migration.atomic and change.name in added and context.large(change.table):
            described = context.described(change.table)
            what = f"constraint {named(change)}of {described} is validated under the lock of adding it"
            yield Finding(what, step.operation, change.table)
