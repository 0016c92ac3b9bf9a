"""The page that says what the ledger's tables are says what they are: columns, types and defaults."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.db import models
from django.db.backends.postgresql.base import DatabaseWrapper

from lockgate.models import OWN
from tests.support.sites import ROOT

PAGE = (ROOT / "docs" / "contract.md").read_text(encoding="utf-8")
SHORT = {"timestamp with time zone": "timestamptz", "double precision": "float8"}
ROW = re.compile(r"^\| `(\w+)` \| ([^|]+?) \| ([^|]*?) ?\|", re.MULTILINE)


@pytest.mark.parametrize("model", OWN, ids=lambda model: model.__name__)
def test_a_table_is_as_the_page_says(model: type[models.Model]) -> None:
    section = PAGE.partition(f"### {model._meta.db_table}\n")[2].partition("\n### ")[0]
    assert ROW.findall(section) == [described(field) for field in model._meta.local_fields]


def test_no_table_is_on_the_page_that_is_not_there() -> None:
    assert re.findall(r"^### (\w+)$", PAGE, re.MULTILINE) == [model._meta.db_table for model in OWN]


def described(field: Any) -> tuple[str, str, str]:
    kind = str(field.db_type(DatabaseWrapper({})))
    return field.column, SHORT.get(kind, kind), default(field)


def default(field: Any) -> str:
    if field.null:
        return "NULL"
    if not field.has_db_default():
        return ""
    value = getattr(field._db_default_expression, "value", None)
    if value is None:
        return "`now()`"
    return f"`{str(value)!r}`" if isinstance(value, str) else f"`{json.dumps(value)}`"
