"""What Django's editor asked while a plan was recorded, and whether the editor of the switch gets the same answers.

A plan answers from facts. A backend of a third party may ask, or answer, otherwise; then Django will send something
else than was planned, and nothing must be built online for it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper

from lockgate import django_seams
from lockgate.errors import LockgateError


class Question(NamedTuple):
    """One about what is in the database before the migration. method: of Django's editor; answer: the plan's."""

    method: str
    arguments: tuple[Any, ...]
    conditions: dict[str, Any]
    answer: Any


def require_same_answers(
    connection: BaseDatabaseWrapper, questions: Iterable[Question], hidden: Collection[str]
) -> None:
    """Ask again, of the server, by the backend's own editor. hidden: names that the switch will not see.

    Raises LockgateError where an answer is another.
    """
    editor: Any = django_seams.collecting_editor(connection)
    for question in questions:
        answer = getattr(editor, question.method)(*question.arguments, **question.conditions)
        if isinstance(answer, list):
            answer = sorted(name for name in answer if name not in hidden)
        if answer != (sorted(question.answer) if isinstance(question.answer, list) else question.answer):
            raise LockgateError(f"the database's backend answers {question.method} otherwise than the catalog")
