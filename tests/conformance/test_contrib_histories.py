"""Django's contrib apps and watchstats: planned, judged, migrated, and planned as they are sent. No network."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from django.contrib.postgres.fields import HStoreField
from django.db import models
from django.db.migrations import operations as ops
from django.db.migrations.state import ProjectState

from lockgate.linting.rules.rule import OFFLINE
from lockgate.planning import planner
from lockgate.planning.recorder.offline import offline_connection
from lockgate.planning.recorder.schema_editor import recording
from tests.conformance.environments import PROBE
from tests.support import plans
from tests.support.databases import Database
from tests.support.sites import Site

CONTRIB = ("contenttypes", "auth", "admin", "sites", "flatpages", "redirects", "sessions")
OTHERS = ("django.contrib.messages", "pgvector.django", "watchstats")
APPS = (*(f"django.contrib.{name}" for name in CONTRIB), *OTHERS)
# By app and migration. That all of these are right is shown in docs/evidence/real-histories.md.
HAZARDS = {
    ("contenttypes", "0002_remove_content_type_name", "LG801"): 1,
    ("contenttypes", "0002_remove_content_type_name", "LG811"): 1,
    ("auth", "0005_alter_user_last_login_null", "LG811"): 1,
    ("sites", "0002_alter_domain_unique", "LG807"): 1,
    ("admin", "0001_initial", "LG814"): 1,
    ("flatpages", "0001_initial", "LG502"): 1,
    ("flatpages", "0001_initial", "LG814"): 1,
    ("redirects", "0001_initial", "LG814"): 1,
}


@pytest.fixture
def contrib(tmp_path: Path, database: Database) -> Site:
    """Lockgate, every contrib app that has migrations, and watchstats; nothing of their own on disk."""
    settings = 'SITE_ID = 1\nDEFAULT_AUTO_FIELD = "django.db.models.AutoField"\n'
    return Site(tmp_path, database, apps=APPS, extra_settings=settings)


def probe(site: Site, *arguments: str) -> list[dict[str, object]] | dict[str, object]:
    """What ``probe.py`` answers in this site's environment."""
    command = [sys.executable, "-P", str(PROBE), *arguments]
    environment = site.environment({"DJANGO_SETTINGS_MODULE": "site_settings"})
    done = subprocess.run(command, cwd=site.path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer: list[dict[str, object]] | dict[str, object] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


@pytest.mark.parametrize("app", CONTRIB)
def test_hazards_are_those_that_were_looked_at_by_hand(contrib: Site, app: str) -> None:
    done = contrib.run("lockgate", "lint", app, "--offline", "--format", "json")
    found: dict[tuple[str, str, str], int] = {}
    for hazard in json.loads(done.out)["hazards"]:
        key = (hazard["app"], hazard["migration"], hazard["id"])
        found[key] = found.get(key, 0) + 1
    assert found == {key: count for key, count in HAZARDS.items() if key[0] == app}, done.text


def test_watchstats_is_judged_offline(contrib: Site) -> None:
    done = contrib.run("lockgate", "lint", "watchstats", "--offline", "--format", "json")
    document = json.loads(done.out)
    assert done.code == (1 if document["errors"] else 0), done.text
    assert document["migrations"] > 0
    assert not [hazard for hazard in document["hazards"] if hazard["id"] == "LG709"]


def test_every_operation_of_an_empty_database_is_known(contrib: Site) -> None:
    done = contrib.run("migrate", "--plan", "--format", "json")
    assert done.code == 0, done.text
    steps = [step for migration in json.loads(done.out)["migrations"] for step in migration["steps"]]
    assert len(steps) > len(HAZARDS)
    assert not [step for step in steps if "unknown" in step["changes"]]


def test_what_is_sent_is_what_was_planned(contrib: Site) -> None:
    found = probe(contrib, "replay")
    assert isinstance(found, dict)
    assert found["different"] == []
    assert int(str(found["statements"])) > 70


def test_a_midpoint_is_planned_with_facts_that_do_not_fit_it(contrib: Site) -> None:
    done = contrib.migrate()
    assert done.code == 0, done.text
    found = probe(contrib, "midpoints")
    assert isinstance(found, list)
    assert [each["unknown"] for each in found] == [[], [], [], []]
    assert all(each["planned"] for each in found)
    linted = contrib.run("lockgate", "lint", "--database", "default")
    assert "Traceback" not in linted.text


def test_a_dict_is_planned_as_the_hstore_it_becomes() -> None:
    """Found in pulpcore: the type is made by an earlier migration, so that no connection has heard of it yet."""
    state = ProjectState()
    ops.CreateModel("Book", [("id", models.BigAutoField(primary_key=True))]).state_forwards(plans.APP, state)
    adding = plans.migration("0001_labels", ops.AddField("Book", "labels", HStoreField(default=dict)))
    connection = offline_connection("default", OFFLINE.version)
    settings = planner.Settings(threshold=0)
    (plan,) = planner.plan([adding], state, OFFLINE, lambda catalog: recording(connection, catalog), settings)
    assert (
        plan.steps[0].sql[0] == """ALTER TABLE "library_book" ADD COLUMN "labels" hstore DEFAULT ''::hstore NOT NULL"""
    )
