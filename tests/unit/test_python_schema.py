"""What a RunPython function does beyond rows: the SQL that is written out in it, and what nobody can tell."""

from __future__ import annotations

import functools
import linecache
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.db.migrations.operations import RunPython

from lockgate.planning import python_reading, python_schema, sql_steps
from lockgate.planning.python_schema import NO_SOURCE
from lockgate.planning.steps import Kind
from tests.support import examples

ROWS = "apps.get_model('shop', 'Order').objects.using(schema_editor.connection.alias).update(note='')"
LOCK = "LOCK TABLE shop_order IN ACCESS EXCLUSIVE MODE"
NAMES: dict[str, Any] = {
    "RunPython": RunPython, "functools": functools, "transaction": transaction, "connection": connection,
    "connections": connections, "DATA": {"a": 1}, "SQL": LOCK, "unread": examples.source,
}  # fmt: skip


def beyond(text: str) -> python_schema.BeyondModels:
    """text: of a module, whose last name is ``code``."""
    file = f"<{hash(text)}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    names = {**NAMES, "__name__": "shop.migrations"}
    exec(compile(text, file, "exec"), names)
    return python_schema.of(python_reading.read(names["code"]))


def function(body: str, name: str = "code", *, first: str = "") -> str:
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    return f"def {name}({first}apps, schema_editor):\n{lines}\n"


FILL = function(ROWS, "fill")
WRAPS = """
def wrapped(function):
    @functools.wraps(function)
    def wrapper(apps, schema_editor):
        {}
        return function(apps, schema_editor)
    return wrapper
"""
BARE = "def wrapped(function):\n    return lambda *args: function(*args)\n"
METHOD = f"""
class Fill:
    table = 'a'
    def one(self, apps, editor):
        {{}}
    def run(self, apps, schema_editor):
        {{}}
        {ROWS}
"""
KNOWN = {
    "a function": function(ROWS),
    "SQL of another database": function(
        f"if schema_editor.connection.vendor == 'sqlite':\n    schema_editor.execute('PRAGMA a = OFF')\n{ROWS}"
    ),
    "with types and defaults": f"def code(apps: 'A', schema_editor: 'E', size: int = 10) -> None:\n    {ROWS}\n",
    "a partial": FILL + "code = functools.partial(fill, size=1)\n",
    "a partial of data": function(ROWS, "fill", first="data, ") + "code = functools.partial(fill, DATA)\n",
    "a lambda": "code = lambda apps, schema_editor: apps.get_model('shop', 'Order').objects.update(note='')\n",
    "one of two lambdas": f"found = [lambda a, b: {ROWS}, lambda apps, b: None]\ncode = found[1]\n",
    "a bound method": METHOD.format("print(self.table)", "self.one(apps, schema_editor)") + "code = Fill().run\n",
    "an object": METHOD.format("pass", "").replace("def run", "def __call__") + "code = Fill()\n",
    "a class's method": METHOD.format("pass", "").replace("    def run(self", "    @classmethod\n    def run(cls")
    + "code = Fill.run\n",
    "decorated": WRAPS.format("print(1)") + f"@wrapped\n{function(ROWS)}",
    "decorated without its name": BARE + f"@wrapped\n{function(ROWS)}",
    "in a transaction": f"@transaction.atomic\n{function(ROWS)}",
    "passed on": function(ROWS, "fill") + function("fill(apps, schema_editor=schema_editor)"),
    "asked for its vendor": function(f"if schema_editor.connection.vendor == 'postgresql':\n    {ROWS}"),
    "a comprehension": function("[each.pk for each in apps.get_model('shop', 'Order').objects.all()]"),
}
SENT = {
    "by the editor": function(f"schema_editor.execute({LOCK!r})"),
    "with a name of the module": function("schema_editor.execute(SQL, None)"),
    "with its own name": function(f"text = {LOCK!r}\nschema_editor.execute(text)"),
    "by the editor's connection": function(f"with schema_editor.connection.cursor() as c:\n    c.execute({LOCK!r})"),
    "by a cursor": function(f"cursor = connection.cursor()\ncursor.execute({LOCK!r})\ncursor.fetchall()"),
    "by a cursor at once": function(f"connection.cursor().execute({LOCK!r})"),
    "by an imported connection": function(f"from django.db import connection\nconnection.cursor().execute({LOCK!r})"),
    "by whom it is passed to": function(f"editor.execute({LOCK!r})", "fill").replace("schema_editor", "editor")
    + function("fill(apps, schema_editor)"),
    "by what wraps it": WRAPS.format(f"schema_editor.execute({LOCK!r})") + f"@wrapped\n{function(ROWS)}",
    "by a method": METHOD.format(f"editor.execute({LOCK!r})", "self.one(apps, schema_editor)") + "code = Fill().run\n",
    "in a lambda": f"code = lambda apps, schema_editor: schema_editor.execute({LOCK!r})\n",
    "in a partial": function(f"schema_editor.execute({LOCK!r})", "fill") + "code = functools.partial(fill)\n",
}
UNKNOWN = {
    "code = print\n": NO_SOURCE,
    function("schema_editor.execute(f'LOCK TABLE {apps}')"): "it executes SQL that is made up as it runs",
    function("text = 'a'\ntext = 'b'\nschema_editor.execute(text)"): "it executes SQL that is made up as it runs",
    function("connection.cursor().executemany('SELECT 1', [])"): "it uses .executemany",
    function("schema_editor.add_field(None, None)"): "it uses schema_editor.add_field",
    function("unread(schema_editor)"): "it passes on schema_editor, the schema editor",
    function("editor = schema_editor\neditor.execute('SELECT 1')"): "it passes on schema_editor, the schema editor",
    function("unread('a')"): "it uses unread, which is not read",
    function("for each in [unread]:\n    each('a')"): "it uses unread, which is not read",
    function("connections['default'].cursor()"): "it uses .cursor",
    function("import shop.helpers"): "it imports shop.helpers",
    function("from django.db import connections"): "it imports django.db",
    FILL + "code = functools.partial(fill, size=unread)\n": "it is given a function",
    METHOD.format("pass", "self.other(apps)") + "code = Fill().run\n": "it uses self.other",
    WRAPS.format("unread()") + f"@wrapped\n{function(ROWS)}": "it uses unread, which is not read",
    METHOD.format("pass", "") + "def wrapped(f):\n    def run(self, *args):\n        f(self, *args)\n    return run\n"
    "Fill.run = wrapped(Fill.run)\ncode = Fill().run\n": "it passes on args, the schema editor",
    function(ROWS).replace("schema_editor)", "schema_editor, also=unread)"): "it has a default of function",
}


@pytest.mark.parametrize("text", KNOWN.values(), ids=KNOWN)
def test_rows_alone_are_known(text: str) -> None:
    assert beyond(text) == python_schema.BeyondModels()


@pytest.mark.parametrize("text", SENT.values(), ids=SENT)
def test_sql_that_is_written_out_is_read(text: str) -> None:
    found_beyond = beyond(text)
    assert [sql for sql, _ in found_beyond.sql] == [LOCK]
    assert found_beyond.unknown == ()


@pytest.mark.parametrize(("text", "why"), UNKNOWN.items())
def test_what_nobody_can_tell_is_said(text: str, why: str) -> None:
    assert why in beyond(text).unknown


def test_parameters_stand_for_values_where_there_are_any() -> None:
    two = "connection.cursor().execute('UPDATE a SET b = %s', [1])\nconnection.cursor().execute('SELECT 5 % 2')"
    sent = beyond(function(two))
    assert [readable for _, readable in sql_steps.texts(sent.sql)] == ["UPDATE a SET b = $1", "SELECT 5 % 2"]


def test_a_plan_has_its_locks_and_rules_judge_it() -> None:
    body = "schema_editor.execute('CREATE INDEX by_note ON shop_order (note)')"
    text = (
        f"{function(body)}\n\nclass Migration(migrations.Migration):\n    operations = [migrations.RunPython(code)]\n"
    )
    [step] = examples.plans(examples.migration(text))[0].steps
    assert [(lock.table, lock.mode.name) for lock in step.locks] == [("shop_order", "SHARE")]
    assert [change.kind for change in step.changes] == [Kind.RUN_PYTHON, Kind.RUN_SQL, Kind.ADD_INDEX]
    assert "LG101" in {hazard.rule.id for hazard in examples.hazards_of(examples.migration(text))}
