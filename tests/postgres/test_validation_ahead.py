"""A constraint that is there already is validated before the switch: what that leaves, whatever becomes of the run."""

from __future__ import annotations

import signal

import pytest

from tests.postgres.test_online import steps
from tests.postgres.test_recovery import RUNNERS
from tests.support.processes import until
from tests.support.schema import dump
from tests.support.sites import Site, finish

IMPORTS = "from django.contrib.postgres.operations import AddConstraintNotValid, ValidateConstraint"
POSITIVE = 'models.CheckConstraint(condition=models.Q(pages__gt=0), name="book_pages")'
ADD = f'AddConstraintNotValid("Book", {POSITIVE})'
VALIDATE = 'ValidateConstraint("Book", "book_pages")'
ADD_FIELD = 'migrations.AddField("Book", "shelf", models.IntegerField(null=True))'
VALIDATED = "SELECT convalidated FROM pg_constraint WHERE conname = 'book_pages'"


@pytest.fixture
def unproven(library: Site) -> Site:
    """A check on a large table that is not validated."""
    library.migration("0002_add", ADD, imports=IMPORTS)
    assert library.migrate().code == 0
    assert library.database.value(VALIDATED) is False
    return library


def test_rows_that_break_it_are_named_and_nothing_has_changed(unproven: Site) -> None:
    unproven.database.execute(
        "ALTER TABLE shop_book DROP CONSTRAINT book_pages",
        "UPDATE shop_book SET pages = -1 WHERE id = 5",
        "ALTER TABLE shop_book ADD CONSTRAINT book_pages CHECK (pages > 0) NOT VALID",
    )
    before = dump(unproven.database)
    unproven.migration("0003_validate", ADD_FIELD, VALIDATE, imports=IMPORTS)
    result = unproven.migrate()
    assert result.code == 1
    assert "1 row violates it: id = 5" in result.err
    assert dump(unproven.database) == before


def test_where_the_switch_fails_the_constraint_stays(unproven: Site) -> None:
    unproven.migration("0003_bad", VALIDATE, ADD_FIELD, 'migrations.RunSQL("SELECT 1/0")', imports=IMPORTS)
    assert unproven.migrate().code == 1
    assert unproven.database.value(VALIDATED), "it is not what the migration has made, and it holds"
    unproven.migration("0003_bad", VALIDATE, ADD_FIELD, imports=IMPORTS, after="0002_add")
    assert unproven.migrate().code == 0
    assert unproven.database.value(VALIDATED)


def test_a_run_that_was_killed_after_it_is_carried_on(unproven: Site) -> None:
    unproven.migration("0003_validate", VALIDATE, ADD_FIELD, imports=IMPORTS)
    with unproven.database.connect(autocommit=False) as other:
        other.execute("SELECT FROM shop_book")  # the switch waits for it
        runner = unproven.start("migrate", "--noinput", LOCKGATE_LOCK_ATTEMPTS_SECONDS="60")
        until(lambda: unproven.database.value(VALIDATED), "it is validated")
        runner.send_signal(signal.SIGKILL)
        finish(runner)
        until(lambda: unproven.database.value(RUNNERS, ["lockgate%"]) == 0, "the dead run's session ends")
    assert "Add field shelf" in unproven.run("migrate", "--plan").text
    result = unproven.migrate()
    assert result.code == 0, result.text
    assert "carrying on" in result.err
    assert steps(unproven) == [("0003_validate", "expand", "validate constraint", True)]


def test_django_still_sees_it_in_the_switch(library: Site) -> None:
    library.migration(
        "0002_add",
        "migrations.SeparateDatabaseAndState("
        '[migrations.RunSQL("ALTER TABLE shop_book ADD CONSTRAINT pages_check CHECK (pages >= 0) NOT VALID")],'
        ' [migrations.AlterField("Book", "pages", models.PositiveIntegerField(null=True))])',
    )
    library.migration(
        "0003_validate",
        'ValidateConstraint("Book", "pages_check")',
        'migrations.AlterField("Book", "pages", models.IntegerField(null=True))',
        imports=IMPORTS,
    )
    result = library.migrate()
    assert result.code == 0, result.text
    assert "in place" not in result.text
    assert steps(library) == [("0003_validate", "expand", "validate constraint", True)]
    assert library.database.value("SELECT count(*) FROM pg_constraint WHERE conname = 'pages_check'") == 0


def test_one_that_the_same_migration_adds_goes_ahead_with_it(library: Site) -> None:
    library.migration("0002_both", ADD_FIELD, ADD, VALIDATE, imports=IMPORTS)
    result = library.migrate()
    assert result.code == 0, result.text
    assert [step[1:] for step in steps(library)] == [
        ("expand", "add check constraint", True),
        ("expand", "validate constraint", True),
    ]
    assert library.database.value(VALIDATED)
