"""Django's command as a run has it work: its checks are those that it wants."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management.commands.migrate import Command

from lockgate import policy
from lockgate.gate.django_command import DjangoCommand


class WantingOthers(Command):
    requires_system_checks = ("security",)


@pytest.mark.parametrize(
    ("kind", "tags"), [(Command, list(policy.SCHEMA_CHECKS)), (WantingOthers, ["security"])], ids=["all", "others"]
)
def test_the_checks_are_those_of_a_schema_unless_its_class_wants_others(
    kind: type[Command], tags: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(kind, "check", lambda self, **given: asked.append(given))
    options = {**DjangoCommand.silent("default").options, "skip_checks": False}
    DjangoCommand(command := kind(), command.handle, options).check()
    assert [list(each["tags"]) for each in asked] == [tags]
