"""Commands of other apps that bear the name of one of ours: Django runs the first in INSTALLED_APPS and hides the rest.

Django's own commands are built on to be replaced; those of another app are not ours to replace: what they do beside
(each tenant's schema, files of their own) would silently not be done. The command that runs must be built on each that
bears its name: its class derives from theirs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from django.apps import AppConfig, apps
from django.core.management import find_commands

OWN = "lockgate"
OVERRIDING = ("makemigrations", "migrate", "showmigrations")


@dataclass(frozen=True)
class Hidden:
    """An app's command that is not run, because another app's is. runs: the app whose is."""

    command: str
    app: str
    runs: str
    does: str

    @property
    def what(self) -> str:
        return f"manage.py {self.command} is {self.runs}'s, and hides {self.app}'s"

    @property
    def why(self) -> str:
        return f"{self.app}'s says of itself: {self.does}"

    @property
    def next_step(self) -> str:
        return (
            f'take "{self.app}" or "{self.runs}" out of INSTALLED_APPS; or let an app before both bring a command\n'
            f"whose class derives from {self.app}.management.commands.{self.command}.Command and from "
            f"{self.runs}.management.commands.{self.command}.Command"
        )


def hidden() -> list[Hidden]:
    """The commands that are hidden by one that is not built on them, where one of the two is Lockgate's."""
    ours = _names(apps.get_app_config(OWN))
    return [conflict for name in sorted(ours) for conflict in _of_name(name)]


def of_command(name: str) -> Hidden | None:
    """What is hidden by the command that runs under this name."""
    return next(_of_name(name), None)


def _of_name(name: str) -> Iterator[Hidden]:
    bringing = [config for config in apps.get_app_configs() if name in _names(config)]
    if len(bringing) < 2:
        return
    first, *others = bringing
    runs = _class(first, name)
    for config in others:
        theirs = _class(config, name)
        if OWN in (first.name, config.name) and not issubclass(runs, theirs):
            yield Hidden(name, config.name, first.name, _first_line(theirs.help) or "nothing")


def _names(app: AppConfig) -> set[str]:
    return set(find_commands(str(Path(app.path) / "management")))


def _class(app: AppConfig, name: str) -> Any:
    return import_module(f"{app.name}.management.commands.{name}").Command


def _first_line(text: object) -> str:
    return " ".join(str(text).split())[:200]
