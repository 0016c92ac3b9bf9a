"""Every test of Django's with another result under Lockgate, and why: what docs/evidence/conformance.md explains."""

from tests.conformance.django_suite.verdict import Difference

_MIGRATE = "migrations.test_commands.MigrateTests"
_SQUASH = "migrations.test_commands.SquashMigrationsTests"
_EXECUTOR = "migrations.test_executor.ExecutorTests"
_LINES = "the lines of a run are ours, and stand for Django's"
_PLAN = "under Django's plan stands ours"

KNOWN = (
    Difference(
        _LINES,
        (
            f"{_MIGRATE}.test_migrate",
            f"{_MIGRATE}.test_migrate_fake_split_initial",
        ),
        only_words=True,
    ),
    Difference(_LINES, (f"{_MIGRATE}.test_migrate_with_system_checks",), only_words=True, django="5.2"),
    Difference(_LINES, (f"{_MIGRATE}.test_migrate_runs_database_system_checks",), only_words=True, django="6.1"),
    Difference(
        "around Django's lines of a --prune stand those of the gate",
        (
            f"{_MIGRATE}.test_migrate_prune",
            f"{_MIGRATE}.test_prune_deleted_squashed_migrations_in_replaces",
            f"{_MIGRATE}.test_prune_no_migrations_to_prune",
            f"{_MIGRATE}.test_prune_respect_app_label",
        ),
        only_words=True,
    ),
    Difference(
        _PLAN,
        (f"{_MIGRATE}.test_migrate_plan", f"{_MIGRATE}.test_migrate_check_plan"),
        only_words=True,
    ),
    Difference(
        _PLAN,
        (
            f"{_SQUASH}.test_double_replaced_migrations_are_recorded",
            f"{_SQUASH}.test_squash_partially_applied",
            f"{_SQUASH}.test_squashmigrations_squashes_already_squashed",
        ),
        only_words=True,
        django="6.1",
    ),
    Difference(
        "a migration that fails raises MigrationFailed, and the server's error is its cause",
        (f"{_MIGRATE}.test_migrate_fake_initial", f"{_MIGRATE}.test_migrate_initial_false"),
        only_words=True,
    ),
    Difference(
        "the executor reports to its run, and not to Django's callback",
        (f"{_EXECUTOR}.test_process_callback", f"{_EXECUTOR}.test_soft_apply"),
        only_words=True,
    ),
    Difference(
        "where nothing is pending, models are not compared with migrations",
        (
            f"{_MIGRATE}.test_migrate_not_reflected_changes",
            "migrations.test_commands.CustomMigrationCommandTests.test_migrate_custom_autodetector",
        ),
    ),
    Difference(  # another test has applied its migration before: Django asks its checks again
        "where nothing is pending and this release has finished, system checks do not run",
        (f"{_MIGRATE}.test_migrate_with_system_checks",),
        django="6.1",
    ),
    Difference(
        "where nothing is pending and this release has finished, signals are not sent",
        ("migrate_signals.tests.MigrateSignalTests.test_migrations_only",),
    ),
    Difference(
        "showmigrations -v 2 says when a squashed migration was recorded, too",
        (f"{_MIGRATE}.test_showmigrations_list_squashed",),
    ),
)
