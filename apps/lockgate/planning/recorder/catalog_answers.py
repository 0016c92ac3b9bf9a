"""What Django's schema editor asks of the server, answered from the virtual catalog."""

from __future__ import annotations

from typing import Any

from django.db.models import Index, Model

from lockgate.errors import LockgateError
from lockgate.planning import identifiers
from lockgate.planning.recorder.questions import Question
from lockgate.planning.virtual_catalog import VirtualCatalog


class CatalogAnswers:
    """Mixed in before the backend's editor class."""

    catalog: VirtualCatalog
    asked: list[Question]
    _without_identity: set[tuple[str, str]]

    def _constraint_names(  # noqa: PLR0913, PLR0917  Django's own parameters
        self,
        model: type[Model],
        column_names: Any = None,
        unique: bool | None = None,
        primary_key: bool | None = None,
        index: bool | None = None,
        foreign_key: bool | None = None,
        check: bool | None = None,
        type_: str | None = None,
        exclude: Any = None,
    ) -> list[str]:
        table = model._meta.db_table
        self._require_known(table)
        answer = self.catalog.constraint_names(
            table,
            column_names,
            unique=unique,
            primary_key=primary_key,
            index=index,
            foreign_key=foreign_key,
            check=check,
            method="btree" if type_ == Index.suffix else None,
            exclude=exclude or (),
        )
        if identifiers.unquoted(table) not in self.catalog.changed | self.catalog.new_tables:
            conditions: dict[str, Any] = {
                "unique": unique,
                "primary_key": primary_key,
                "index": index,
                "foreign_key": foreign_key,
            }
            conditions |= {"check": check, "type_": type_, "exclude": exclude}
            self.asked.append(Question("_constraint_names", (model, column_names), conditions, answer))
        return answer

    def _get_sequence_name(self, table: str, column: str) -> str | None:
        """The sequence of an identity or serial column; of a table that is not there yet, or unseen, its usual name.

        An identity takes its sequence along when it is dropped, which Django does before it asks.
        """
        self._require_known(table)
        facts = self.catalog.fact(table)
        known = facts.columns.get(column) if facts else None
        if (identifiers.unquoted(table), column) in self._without_identity and (known is None or known.identity):
            return None
        return known.sequence if known else identifiers.given(table, column, "seq")

    def _require_known(self, table: str) -> None:
        """Of a table that nobody has looked at, what it has is not known: it is not taken for nothing."""
        if not self.catalog.knows(table):
            raise LockgateError(f'what constraints and sequences "{table}" has is not known')

    def _is_collation_deterministic(self, collation_name: str) -> bool:
        """As the catalog has it. Of one that is not there yet nothing is known, and the operation stays in place.

        Offline, where nothing is built by the answer, it is taken for deterministic, as nearly all are.
        """
        if self.catalog.facts.offline:
            return True
        if collation_name not in self.catalog.facts.collations:
            raise LockgateError(f'whether collation "{collation_name}" is deterministic is not known')
        answer = self.catalog.facts.collations[collation_name]
        self.asked.append(Question("_is_collation_deterministic", (collation_name,), {}, answer))
        return answer
