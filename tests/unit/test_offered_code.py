"""What is offered in place of an operation is not offered where it would not run, and its code names what there is."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.db import migrations, models
from django.db.migrations import Migration

from lockgate.linting.rules.example_models import MODELS
from lockgate.linting.rules.offer import Offer, Situation, taken_out
from lockgate.project_state.lazy_state import LazyState
from lockgate.reporting import migration_code
from tests.support.examples import migration

NEW = migrations.AddField("order", "payer", models.IntegerField(null=True))


def offered(*operations: Any) -> tuple[Migration, Offer | None]:
    """What is offered in place of the first operation."""
    state = LazyState()
    for operation in migration(MODELS).operations:
        operation.state_forwards("shop", state)
    new_migration = Migration("0002_example", "shop")
    new_migration.operations, new_migration.dependencies = (
        [*operations],
        [migrations.swappable_dependency(settings.AUTH_USER_MODEL)],
    )
    return new_migration, taken_out(Situation(new_migration, 0, state), 0, "why")


@pytest.mark.parametrize(
    "operation",
    [
        migrations.AlterUniqueTogether("order", {("number", "payer")}),
        migrations.AddConstraint("order", models.UniqueConstraint(fields=["number", "payer"], name="once")),
        migrations.AddConstraint("order", models.CheckConstraint(condition=models.Q(payer__gt=0), name="paid")),
        migrations.AddIndex("Order", models.Index(fields=["payer"], name="order_payer")),
    ],
)
def test_a_new_column_stays_before_what_may_name_it(operation: Any) -> None:
    assert offered(NEW, operation)[1] is None


@pytest.mark.parametrize(
    "operation",
    [
        migrations.AlterUniqueTogether("order", {("number", "total")}),
        migrations.AddIndex("customer", models.Index(fields=["email"], name="customer_email")),
    ],
)
def test_a_new_column_goes_past_what_does_not(operation: Any) -> None:
    assert offered(NEW, operation)[1]


def test_a_dependency_on_the_user_model_names_the_setting() -> None:
    new_migration, offer = offered(NEW, migrations.AlterUniqueTogether("order", {("number", "total")}))
    assert offer
    first, *_ = migration_code.of(offer, new_migration)
    assert "migrations.swappable_dependency(settings.AUTH_USER_MODEL)," in first.source
    assert "from django.conf import settings" in first.source


def test_a_dependency_on_another_model_that_may_be_swapped_names_its_app() -> None:
    new_migration, offer = offered(NEW, migrations.AlterUniqueTogether("order", {("number", "total")}))
    assert offer
    new_migration.dependencies = [migrations.swappable_dependency("sites.Site")]
    first, *_ = migration_code.of(offer, new_migration)
    assert '("sites", "__first__"),' in first.source
