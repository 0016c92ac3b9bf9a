"""What the sweep's data migrations call; the generated migrations import it from here."""

from __future__ import annotations

from typing import Any


def count_up(apps: Any, schema_editor: Any) -> None:
    """Shows a second application: the tally is one higher for each."""
    from django.db.models import F

    apps.get_model("library", "Tally").objects.using(schema_editor.connection.alias).update(n=F("n") + 1)


def count_down(apps: Any, schema_editor: Any) -> None:
    """Takes one application back."""
    from django.db.models import F

    apps.get_model("library", "Tally").objects.using(schema_editor.connection.alias).update(n=F("n") - 1)


def fill_isbn(apps: Any, schema_editor: Any) -> None:
    """May run twice, as what runs outside a transaction may have to."""
    apps.get_model("library", "Book").objects.using(schema_editor.connection.alias).filter(pages__lt=9).update(isbn="x")
