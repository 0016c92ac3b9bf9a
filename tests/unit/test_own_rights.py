"""The tables whose rights are looked after are all of Lockgate's, whatever migration adds one."""

from __future__ import annotations

from django.apps import apps

from lockgate.database.sql import read


def test_every_table_of_lockgate_is_looked_after() -> None:
    listed = read("own_rights").partition("'{")[2].partition("}'")[0].split(",")
    assert sorted(listed) == sorted(model._meta.db_table for model in apps.get_app_config("lockgate").get_models())
