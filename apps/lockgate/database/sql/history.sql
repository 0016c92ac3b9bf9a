-- Django's rows of applied migrations.
SELECT id, app, name, applied FROM django_migrations;
