"""Branches of code that PostgreSQL never takes are not read, and all that it may take is."""

from __future__ import annotations

import ast

import pytest

from lockgate.planning import python_branches

VENDOR = "schema_editor.connection.vendor"
NEVER = (
    f"if {VENDOR} == 'sqlite': gone()",
    f"if {VENDOR} != 'postgresql': gone()",
    f"if {VENDOR} in ('mysql', 'oracle'): gone()",
    f"if {VENDOR} not in ['postgresql']: gone()",
    f"if not {VENDOR}.startswith('postgres'): gone()",
    "if connection.vendor == 'mysql' and wanted: gone()",
    f"if {VENDOR} == 'postgresql' or wanted: stays()\nelse: gone()",
    f"if {VENDOR} == 'postgresql':\n    stays()\nelif wanted: gone()",
    f"if {VENDOR} == 'postgresql': return\ngone()",
    f"if {VENDOR} == 'sqlite': gone()\nelse: raise ValueError\ngone()",
    f"for each in rows:\n    if {VENDOR} == 'sqlite': gone()",
)
MAYBE = (
    f"if {VENDOR} == 'postgresql': stays()",
    f"if {VENDOR} == 'sqlite': return\nstays()",
    f"if {VENDOR} == wanted: stays()",
    f"if {VENDOR} == 'mysql' or wanted: stays()",
    f"if {VENDOR}.startswith(wanted): stays()",
    "if product.vendor == 'sqlite': stays()",
    "if schema_editor.connection.alias == 'sqlite': stays()",
    "if wanted: return\nstays()",
)


def read(body: str) -> str:
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    return ast.unparse(python_branches.taken(ast.parse(f"def code(apps, schema_editor):\n{lines}\n")))


@pytest.mark.parametrize("body", NEVER)
def test_what_another_database_runs_is_left_out(body: str) -> None:
    assert "gone" not in read(body)
    assert ("stays" in read(body)) is ("stays" in body)


@pytest.mark.parametrize("body", MAYBE)
def test_what_may_run_is_read(body: str) -> None:
    assert "stays" in read(body)
