"""``lockgate lint`` as a developer and a build use it: what is judged, how it ends, what it prints."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.sites import CREATE_COUNTER, MANAGE, Site, finish

NOWHERE = "postgresql://nobody@127.0.0.1:1/nowhere"
DROP = 'migrations.RemoveField("Counter", "value")'
ADD_INDEX = 'migrations.AddIndex("Counter", models.Index(fields=["value"], name="counter_value"))'


@pytest.fixture
def shop(site: Site) -> Site:
    """An app with a table, and a migration that drops a column of it."""
    site.migration("0001_initial", CREATE_COUNTER)
    site.migration("0002_drop", DROP)
    return site


def lint(site: Site, *arguments: str) -> tuple[int, str]:
    """Without any server: exit code and text."""
    result = site.run("lockgate", "lint", *arguments, DATABASE_URL=NOWHERE)
    assert result.err == ""
    return result.code, result.out


def test_an_error_ends_with_exit_code_1_and_says_where_what_why_and_what_to_do(shop: Site) -> None:
    code, text = lint(shop)
    assert code == 1
    assert "offline: no database was asked, so every table counts as large" in text
    assert "LG801 error    column-dropped  shop/migrations/0002_drop.py:9" in text
    assert 'what  column "value" of "shop_counter" is dropped' in text
    assert "next  Remove the field in state only" in text
    assert "2 migrations judged: 1 error, 0 warnings, 0 accepted" in text


def test_the_line_is_that_of_the_operation(shop: Site) -> None:
    lines = (shop.path / "shop/migrations/0002_drop.py").read_text().splitlines()
    assert DROP in lines[9 - 1]


def test_an_accepted_hazard_is_shown_and_ends_with_exit_code_0(shop: Site) -> None:
    shop.migration("0002_drop", DROP, lockgate_accept='{"LG801": "unused since 41"}')
    code, text = lint(shop)
    assert code == 0
    assert "LG801 accepted column-dropped" in text
    assert "unused since 41" in text
    assert "0 errors, 0 warnings, 1 accepted" in text


def test_an_acceptance_without_a_reason_accepts_nothing(shop: Site) -> None:
    shop.migration("0002_drop", DROP, lockgate_accept='{"LG801": " "}')
    code, text = lint(shop)
    assert code == 1
    assert "LG001 error    accepted-without-reason" in text
    assert "LG801 error    column-dropped" in text


def test_warnings_alone_end_with_exit_code_0(site: Site) -> None:
    site.migration("0001_initial", 'migrations.RunSQL("SELECT 1")')
    code, text = lint(site)
    assert code == 0
    assert "LG708 warning" in text


def test_one_app_or_one_migration_is_judged(shop: Site) -> None:
    assert lint(shop, "auth")[0] == 0
    assert lint(shop, "shop", "0001")[0] == 0
    assert lint(shop, "shop", "0002")[0] == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], 'there is no app "nowhere"'),
        (["shop", "0009"], '0 migrations of "shop" begin with "0009"'),
        (["--explain", "LG999"], 'there is no rule "LG999"'),
        (["--unapplied", "--offline"], "cannot be --offline"),
    ],
)
def test_what_does_not_exist_is_named(shop: Site, arguments: list[str], said: str) -> None:
    result = shop.run("lockgate", "lint", *arguments, DATABASE_URL=NOWHERE)
    assert result.code == 2
    assert said in result.err
    assert "Traceback" not in result.err


def test_a_rule_is_explained_without_a_database(site: Site) -> None:
    code, text = lint(site, "--explain", "lg801")
    assert code == 0
    assert text.startswith("LG801 column-dropped (error)")
    assert 'migrations.RemoveField("order", "note")' in text


def test_since_a_commit_only_what_changed_is_judged_as_one_release(shop: Site) -> None:
    git(shop, "init", "--quiet")
    git(shop, "add", ".")
    git(shop, "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "--quiet", "--message", "one")
    assert lint(shop, "--since", "HEAD") == (0, lint(shop, "--since", "HEAD")[1])
    assert "0 migrations judged" in lint(shop, "--since", "HEAD")[1]
    shop.migration("0003_more", 'migrations.CreateModel("Box", [("id", models.BigAutoField(primary_key=True))])')
    shop.migration("0004_more", 'migrations.AddField("Box", "size", models.IntegerField(default=1))')
    code, text = lint(shop, "--since", "HEAD")
    assert code == 0  # the table is new to everybody
    assert "2 migrations judged" in text
    shop.migration("0005_more", 'migrations.DeleteModel("Counter")')
    code, text = lint(shop, "--since", "HEAD")
    assert code == 1
    assert "LG802" in text


def test_an_unknown_commit_is_named(shop: Site) -> None:
    git(shop, "init", "--quiet")
    result = shop.run("lockgate", "lint", "--since", "nowhere", DATABASE_URL=NOWHERE)
    assert result.code == 2
    assert "error: git rev-parse failed" in result.err


def test_a_run_that_judged_nothing_of_what_was_asked_for_ends_with_exit_code_2(site: Site) -> None:
    result = site.run("lockgate", "lint", DATABASE_URL=NOWHERE)
    assert (result.code, result.out) == (2, "")
    assert "error: no migration was judged\n" in result.err
    assert "are of installed packages" in result.err
    assert "the apps are auth, contenttypes" in result.err
    assert site.run("lockgate", "lint", "auth", DATABASE_URL=NOWHERE).code == 0


def test_of_a_project_that_is_installed_no_changed_file_is_passed_over(shop: Site, tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    shutil.copytree(shop.path / "shop", checkout / "shop")
    subprocess.run(["git", "init", "--quiet"], cwd=checkout, check=True)
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qm", "one", "--allow-empty"],
        cwd=checkout,
        check=True,
    )
    # As if the site's folder were where packages are installed.
    patched = "import sysconfig; sysconfig.get_path = lambda name: " + repr(str(shop.path))
    (shop.path / "manage.py").write_text(f"{patched}\n{MANAGE}")
    result = finish(
        subprocess.Popen(
            [sys.executable, str(shop.path / "manage.py"), "lockgate", "lint", "--since", "HEAD"],
            cwd=checkout,
            env=shop.environment({"DATABASE_URL": NOWHERE}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    )
    assert result.code == 2
    assert "shop/migrations/0001_initial.py changed, and Python loads shop.0001_initial from" in result.err


def test_what_is_unapplied_is_judged_by_the_real_sizes(site: Site) -> None:
    site.migration("0001_initial", CREATE_COUNTER)
    assert site.migrate().code == 0
    site.migration("0002_index", ADD_INDEX, atomic="False")
    result = site.run("lockgate", "lint", "--unapplied")
    assert (result.code, result.err) == (0, "")  # the table is small
    assert "1 migration judged: 0 errors" in result.out
    assert "offline" not in result.out
    site.database.execute("ALTER TABLE shop_counter SET (autovacuum_enabled = off)")  # it would count the rows
    site.database.execute("INSERT INTO shop_counter (value) SELECT 1 FROM generate_series(1, 300000)")
    result = site.run("lockgate", "lint", "--unapplied")
    assert (result.code, result.err) == (1, "")
    assert "LG101 error    index-built-in-place" in result.out
    assert "MB, rows not counted yet" in result.out


def test_tables_that_the_same_release_makes_are_not_reported(shop: Site) -> None:
    result = shop.run("lockgate", "lint", "--unapplied")
    assert (result.code, result.err) == (0, "")
    assert "0 errors, 0 warnings" in result.out


def test_nothing_is_changed(shop: Site) -> None:
    assert shop.run("lockgate", "lint", "--database", "default").code == 0
    assert shop.database.value("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == 0


def test_json_is_one_document(shop: Site) -> None:
    code, text = lint(shop, "--format", "json")
    document = json.loads(text)
    assert code == 1
    assert (document["version"], document["errors"], document["migrations"]) == (1, 1, 2)
    [hazard] = document["hazards"]
    assert (hazard["id"], hazard["app"], hazard["migration"]) == ("LG801", "shop", "0002_drop")
    assert (hazard["operation"], hazard["table"], hazard["line"]) == (0, "shop_counter", 9)


def test_github_gets_annotations(shop: Site) -> None:
    _, text = lint(shop, "--format", "github")
    assert "::error file=shop/migrations/0002_drop.py,line=9,title=LG801 column-dropped::column" in text
    assert "%0A" in text


def test_sarif_has_what_code_scanning_asks_for(shop: Site) -> None:
    _, text = lint(shop, "--format", "sarif")
    document = json.loads(text)
    assert document["version"] == "2.1.0"
    [run] = document["runs"]
    [result] = run["results"]
    driver = run["tool"]["driver"]
    assert driver["informationUri"].startswith("https://")
    assert all(rule["helpUri"].startswith("https://") for rule in driver["rules"])
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == "LG801"
    [place] = result["locations"]
    assert place["physicalLocation"]["artifactLocation"]["uri"] == "shop/migrations/0002_drop.py"
    assert place["physicalLocation"]["region"]["startLine"] == 9


def test_an_operation_that_asks_the_server_is_reported_not_run(site: Site) -> None:
    imports = """
        from django.db.migrations.operations.base import Operation

        class Ask(Operation):
            def state_forwards(self, app_label, state):
                pass

            def database_forwards(self, app_label, schema_editor, from_state, to_state):
                schema_editor.connection.cursor().execute("CREATE TABLE never (id int)")
    """
    site.migration("0001_initial", "Ask()", imports=imports)
    code, text = lint(site)
    assert code == 1
    assert "LG709 error    operation-unknown" in text


READING = """
from pathlib import Path
from shop.words import WORD
DROP = Path(__file__).with_name("drop.sql").read_text()
"""


def aged(site: Site) -> None:
    """All files of the project, as if they had been there for a while."""
    for path in site.path.rglob("*"):
        os.utime(path, (1_700_000_000, 1_700_000_000))


def kept(site: Site, *arguments: str, **environment: str) -> bool:
    """Whether a lint with a cache took its judgement from there: one that was tampered with shows itself."""
    paths = list((site.path / "kept").glob("*.json"))
    for path in paths:
        path.write_text(path.read_text().replace('"judged": ', '"judged": 7'))
    aged(site)
    result = site.run("lockgate", "lint", "--cache", "kept", *arguments, DATABASE_URL=NOWHERE, **environment)
    assert result.err == ""
    assert "not kept" not in result.out
    return " 7" in f" {result.out.splitlines()[-1]}"


def test_a_kept_judgement_is_found_while_nothing_has_changed_that_it_rested_on(shop: Site) -> None:
    sql, word = shop.path / "shop/migrations/drop.sql", shop.path / "shop/words.py"
    sql.write_text("SELECT 1")
    word.write_text("WORD = 1")
    shop.migration("0003_sql", "migrations.RunSQL(DROP, migrations.RunSQL.noop)", imports=READING)
    assert not kept(shop)
    assert kept(shop)
    assert not kept(shop, "shop")
    assert kept(shop, "shop")
    sql.write_text("TRUNCATE shop_counter")  # it is read by a migration
    assert not kept(shop)
    word.write_text("WORD = 2")  # it is imported by a migration
    assert not kept(shop)
    shop.migration("0004_more", ADD_INDEX)
    assert not kept(shop)
    assert not kept(shop, LOCKGATE_ONLINE="false")
    assert kept(shop)


def test_what_is_kept_is_the_whole_judgement(shop: Site) -> None:
    aged(shop)
    first, second = (lint(shop, "--cache", "kept", "--format", "json") for _ in range(2))
    assert first == second
    assert first[0] == 1
    assert (shop.path / "kept/.gitignore").read_text() == "*\n"


def test_what_cannot_be_compared_is_not_kept_and_that_is_said(shop: Site) -> None:
    aged(shop)
    shop.migration("0003_more", ADD_INDEX)
    _, text = lint(shop, "--cache", "kept")
    assert "not kept for the next run: " in text
    assert "0003_more.py was changed less than 3 s before this run" in " ".join(text.split())
    shop.migration("0003_more", ADD_INDEX, imports="import os; os.environ['PATH_OF_OURS']")
    aged(shop)
    result = shop.run("lockgate", "lint", "--cache", "kept", DATABASE_URL=NOWHERE, PATH_OF_OURS="x")
    assert "not kept for the next run: the environment variable PATH_OF_OURS is read" in result.out
    result = shop.run("lockgate", "lint", "--cache", "kept", "--database", "default", DATABASE_URL=NOWHERE)
    assert result.code == 2
    assert "--cache keeps no judgement by a database" in result.err


def test_a_baseline_tells_what_is_new_from_what_was_there(shop: Site) -> None:
    drop = shop.path / "shop/migrations/0002_drop.py"
    result = shop.run("lockgate", "lint", "--baseline", "known.json", DATABASE_URL=NOWHERE)
    assert result.code == 2
    assert "--baseline FILE --write-baseline" in result.err
    code, text = lint(shop, "--baseline", "known.json", "--write-baseline")
    assert code == 0
    assert "known.json is written: 1 findings new in it, 0 gone from it" in text
    drop.write_text("# another line\n" + drop.read_text())  # what the operation says is as it was
    code, text = lint(shop, "--baseline", "known.json")
    assert code == 0
    assert "LG801" not in text
    assert "0 errors, 0 warnings, 0 accepted, 1 in the baseline" in text
    shop.migration("0003_more", 'migrations.DeleteModel("Counter")')
    code, text = lint(shop, "--baseline", "known.json")
    assert code == 1
    assert "LG802" in text
    assert "LG801" not in text
    hazard, _ = json.loads(lint(shop, "--baseline", "known.json", "--format", "json")[1])["hazards"]
    assert (hazard["id"], hazard["known"]) == ("LG801", True)


def test_what_is_fixed_is_named_until_it_is_taken_out_of_the_baseline(shop: Site) -> None:
    shop.migration("0003_more", 'migrations.DeleteModel("Counter")')
    lint(shop, "--baseline", "known.json", "--write-baseline")
    shop.migration("0002_drop", 'migrations.AlterField("Counter", "value", models.BigIntegerField(default=0))')
    code, text = lint(shop, "--baseline", "known.json")
    assert code == 1, "another operation is another finding"
    assert "no more found, and to be taken out of known.json (--write-baseline): LG801 in shop.0002_drop" in text
    _, text = lint(shop, "shop", "0003", "--baseline", "known.json")
    assert "no more found" not in text, "that migration was not looked at"
    (shop.path / "shop/migrations/0003_more.py").unlink()
    shop.migration("0002_drop", ADD_INDEX)
    code, text = lint(shop, "--baseline", "known.json", "--write-baseline")
    assert "0 findings new in it, 2 gone from it" in text
    assert json.loads((shop.path / "known.json").read_text())["known"] == []


def test_a_file_that_is_no_baseline_is_refused(shop: Site) -> None:
    (shop.path / "known.json").write_text("{}")
    result = shop.run("lockgate", "lint", "--baseline", "known.json", DATABASE_URL=NOWHERE)
    assert result.code == 2
    assert "error: known.json is no baseline" in result.err


def test_a_project_with_a_history_begins_after_a_migration(shop: Site) -> None:
    shop.lockgate["LINT_START_AFTER"] = ["shop.0002_drop"]
    shop.write_settings()
    code, text = lint(shop)
    assert code == 0
    assert '2 migrations were left out: LOCKGATE["LINT_START_AFTER"] says that they are history' in text
    assert lint(shop, "shop", "0002")[0] == 1, "it was asked for by name"
    shop.migration("0003_more", 'migrations.DeleteModel("Counter")')
    code, text = lint(shop)
    assert code == 1
    assert "1 migration judged: 1 error" in text
    shop.lockgate["LINT_START_AFTER"] = ["shop.0009_gone"]
    shop.write_settings()
    result = shop.run("lockgate", "lint", DATABASE_URL=NOWHERE)
    assert result.code == 1
    assert 'LOCKGATE["LINT_START_AFTER"] names "shop.0009_gone", which is no migration' in result.err


def git(site: Site, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=site.path, check=True, capture_output=True)


def test_the_safe_migrations_are_printed_with_the_projects_own_names(shop: Site) -> None:
    _, text = lint(shop)
    assert "write shop/migrations/0002_drop.py\n\nfrom django.db import migrations, models\n" in text
    assert "write shop/migrations/0003_drop_counter_value.py\n" in text
    [hazard] = json.loads(lint(shop, "--format", "json")[1])["hazards"]
    for file in hazard["safe"]["files"]:
        (shop.path / file["title"]).write_text(file["source"])
    code, text = lint(shop)
    assert code == 0
    assert "LG801 accepted column-dropped" in text
    assert shop.migrate().code == 0
    assert shop.run("migrate", "--noinput", "shop", "0001").code == 0, "and back"


def test_sql_that_changes_every_row_gets_code_in_portions_in_every_format(site: Site) -> None:
    site.migration("0001_initial", CREATE_COUNTER)
    update = "UPDATE shop_counter SET value = id % 10"
    site.migration("0002_fill", f"migrations.RunSQL({update!r}, migrations.RunSQL.noop)")
    _, text = lint(site)
    [hazard] = json.loads(lint(site, "--format", "json")[1])["hazards"]
    [result] = json.loads(lint(site, "--format", "sarif")[1])["runs"][0]["results"]
    assert (hazard["id"], result["ruleId"]) == ("LG601", "LG601")
    [file] = hazard["safe"]["files"]
    assert file["title"] == "shop/migrations/0002_fill.py"
    assert file["source"] in text
    assert hazard["safe"]["note"] in " ".join(text.split())
    assert result["properties"]["safe"] == hazard["safe"]
    (site.path / file["title"]).write_text(file["source"])
    code, text = lint(site)
    assert (code, "LG6" in text) == (0, False), text
    migrated = site.migrate()
    assert migrated.code == 0, migrated.err


def test_code_that_is_not_read_to_its_end_gets_the_pattern_with_the_models_own_name_and_no_code(site: Site) -> None:
    site.migration("0001_initial", CREATE_COUNTER)
    fill = """
        def fill(apps, schema_editor):
            apps.get_model("shop", "Counter").objects.update(value={})
    """
    safe = {}
    for value in ("len(str(apps))", "7"):
        run = "migrations.RunPython(fill, migrations.RunPython.noop)"
        site.migration("0002_fill", run, imports=fill.format(value))
        [hazard] = json.loads(lint(site, "--format", "json")[1])["hazards"]
        assert hazard["id"] == "LG603"
        safe[value] = bool(hazard["safe"]), 'rows = apps.get_model("shop", "Counter").objects' in hazard["next"]
    assert safe == {"len(str(apps))": (False, True), "7": (True, False)}
