"""The schema editor of a switch: Django's own, sending what the plan has in place of what Django would send.

A statement that a rewrite took out of the migration's transaction is known by its exact text; each is replaced once.
What the expand phase has put into the catalog is hidden from Django's questions about names, because Django would take
it for its own, until it sends the statement that would have made it. Beside ``django_seams`` and ``recording_editor``
this is the only module that leans on what Django does not promise to keep.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import cache
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.backends.ddl_references import Statement
from django.db.backends.utils import strip_quotes

from lockgate.planning import identifiers
from lockgate.planning.recorder.literals import as_text

Replaced = Iterable[tuple[str, tuple[str, ...]]]


def switch_editor(
    connection: BaseDatabaseWrapper, replaced: Replaced = (), hidden: Collection[str] = (), absent: Collection[str] = ()
) -> Any:
    """An atomic editor of this connection's own class.

    replaced: statements by their text, with what is sent instead. hidden: names of indexes and constraints that
    Django must not see. absent: names of constraints that are not there, so dropping them sends nothing.
    """
    switching: Any = _class(connection.SchemaEditorClass)
    editor = switching(connection, atomic=True)
    editor.replaced, editor.hidden, editor.absent = list(replaced), frozenset(hidden), frozenset(absent)
    return editor


@cache
def _class(base: type[BaseDatabaseSchemaEditor]) -> type[BaseDatabaseSchemaEditor]:
    return type("SwitchEditor", (_Switching, base), {})


class _Switching:
    """Mixed in before the backend's editor class. replaced: what has not been met so far."""

    replaced: list[tuple[str, tuple[str, ...]]]
    hidden: frozenset[str]
    absent: frozenset[str]

    def execute(self, sql: Any, params: Any = ()) -> None:
        if isinstance(sql, Statement) and self._drops_absent(sql):
            return
        if self.replaced:
            text = as_text(sql, params)
            for number, (known, instead) in enumerate(self.replaced):
                if known == text:
                    del self.replaced[number]
                    self._show(sql)
                    for replacement in instead:
                        super().execute(replacement, None)  # type: ignore[misc]
                    return
        super().execute(sql, params)  # type: ignore[misc]

    def _show(self, sql: Any) -> None:
        """Let Django see from now on what it takes itself to have made."""
        if isinstance(sql, Statement) and "name" in sql.parts:
            self.hidden -= {identifiers.stored(strip_quotes(str(sql.parts["name"])))}

    def _drops_absent(self, statement: Statement) -> bool:
        drops = {getattr(self, name) for name in ("sql_delete_constraint", "sql_delete_fk")}
        return statement.template in drops and strip_quotes(str(statement.parts["name"])) in self.absent

    def _constraint_names(self, *args: Any, **kwargs: Any) -> list[str]:
        names: list[str] = super()._constraint_names(*args, **kwargs)  # type: ignore[misc]
        return [name for name in names if name not in self.hidden]
