"""Another app's ``migrate``: neither is hidden silently, whichever comes first in INSTALLED_APPS."""

from __future__ import annotations

import pytest

from tests.support.servers import assert_refused
from tests.support.sites import CREATE_COUNTER, Site

TENANTS = """
from django.core.management.commands.{0} import Command as Django

class Command(Django):
    help = "Does so in the schema of each tenant."
"""
LINTER = """
from django.core.management.base import BaseCommand

class Command(BaseCommand):
    help = "Judges migrations otherwise."
    def handle(self, *args, **options):
        self.stdout.write("the other")
"""
MERGED = """
from lockgate.management.commands.migrate import Command as Ours
from tenants.management.commands.migrate import Command as Theirs

class Command(Ours, Theirs):
    pass
"""


def bring(site: Site, app: str, command: str, text: str) -> None:
    folder = site.path / app / "management" / "commands"
    folder.mkdir(parents=True, exist_ok=True)
    for path in (site.path / app, folder.parent, folder):
        (path / "__init__.py").touch()
    (folder / f"{command}.py").write_text(text)


def install(site: Site, *apps: str) -> None:
    site.extra_settings = f"INSTALLED_APPS = {[*apps, *site.apps]!r}"
    site.write_settings()


@pytest.mark.parametrize("apps", [("lockgate", "tenants"), ("tenants", "lockgate")])
@pytest.mark.parametrize("command", ["migrate", "makemigrations", "showmigrations"])
def test_a_command_of_djangos_that_another_app_brings_too_is_refused(
    site: Site, apps: tuple[str, ...], command: str
) -> None:
    site.migration("0001_counter", CREATE_COUNTER)
    bring(site, "tenants", command, TENANTS.format(command))
    install(site, *apps)
    first, second = apps
    assert_refused(
        site.run(command),
        f"manage.py {command} is {first}'s, and hides {second}'s",
        why=f"{second}'s says of itself",
        state="nothing was changed",
        next_step="INSTALLED_APPS",
    )
    assert site.database.applied() == []
    checked = site.run("check")
    assert (checked.code, "lockgate.E002" in checked.err) == (1, True), checked.text


def test_the_message_says_what_the_hidden_one_would_have_done(site: Site) -> None:
    bring(site, "tenants", "migrate", TENANTS.format("migrate"))
    install(site, "lockgate", "tenants")
    assert "Does so in the schema of each tenant." in site.migrate().err
    result = site.migrate("--log-format", "json")
    assert result.code == 1
    assert "Does so in the schema of each tenant." in result.text


def test_a_command_that_is_built_on_both_runs(site: Site) -> None:
    site.migration("0001_counter", CREATE_COUNTER)
    bring(site, "tenants", "migrate", TENANTS.format("migrate"))
    bring(site, "both", "migrate", MERGED)
    install(site, "both", "lockgate", "tenants")
    done = site.migrate()
    assert done.code == 0, done.text
    assert site.database.value("SELECT count(*) FROM lockgate_run WHERE outcome = 'succeeded'") == 1


@pytest.mark.parametrize("apps", [("lockgate", "linter"), ("linter", "lockgate")])
def test_another_command_of_the_same_name_is_warned_of(site: Site, apps: tuple[str, ...]) -> None:
    bring(site, "linter", "lockgate", LINTER)
    install(site, *apps)
    checked = site.run("check")
    assert checked.code == 0, checked.text
    assert "lockgate.W001" in checked.err
    assert f"manage.py lockgate is {apps[0]}'s, and hides {apps[1]}'s" in checked.err
