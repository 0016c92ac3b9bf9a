"""Offers as Python, to be copied: whole migration files where the rest of the migration can be written down too."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from django.conf import settings
from django.db.migrations import Migration
from django.db.migrations.operations.base import Operation
from django.db.migrations.writer import OperationWriter

from lockgate.linting.rules import acceptance
from lockgate.linting.rules.offer import Function, Offer, Written, is_djangos_schema_or_sql
from lockgate.project_state.operations import is_djangos_schema

_FILE = """{imports}

{functions}
class Migration(migrations.Migration):
{attributes}    dependencies = [
{dependencies}    ]

    operations = [
{operations}    ]
"""
# A function or class of a migration's own file, which no other file can import: its name begins with a number.
_OWN_MODULE = re.compile(r"^import \S*\.\d", re.MULTILINE)
_OF_A_PART = "in {name}, {what}"


class Code(NamedTuple):
    """title: the file, or where in it. source: Python."""

    title: str
    source: str


def of(offer: Offer, migration: Migration) -> tuple[Code, ...]:
    """The migration with the operation replaced, and those after it. Nothing where Django cannot write them down."""
    app, name = migration.app_label, migration.name
    try:
        codes = [_first(offer, migration)]
        for number, written in enumerate(offer.later, 1):
            before, name = name, f"{_following(migration.name, number)}_{written.name}"
            codes.append(Code(f"{app}/migrations/{name}.py", _file(written, [(app, before)])))
    except ValueError:  # Django's serializer does not know a value
        return ()
    return () if any(_OWN_MODULE.search(code.source) for code in codes) else tuple(codes)


def _first(offer: Offer, migration: Migration) -> Code:
    name = f"{migration.app_label}/migrations/{migration.name}.py"
    rest = [operation for number, operation in enumerate(migration.operations) if number != offer.number]
    plain = all(is_djangos_schema(operation) or is_djangos_schema_or_sql(operation) for operation in rest)
    if plain and not (migration.replaces or migration.run_before or migration.initial):
        operations: list[Operation | Function] = list(migration.operations)
        operations[offer.number : offer.number + 1] = offer.instead
        accepts = {**_accepted(migration), **offer.accepts}
        return Code(name, _file(Written("", tuple(operations), offer.atomic, accepts), migration.dependencies))
    if not offer.instead:
        return Code(_OF_A_PART.format(name=name, what=f"operation {offer.number} goes"), "")
    lines, imports = _operations(offer.instead)
    source = "\n".join([*_merged(imports), "", textwrap.dedent(lines)])
    return Code(_OF_A_PART.format(name=name, what=f"in place of operation {offer.number}"), source)


def _accepted(migration: Migration) -> dict[str, str]:
    """What it accepts already, and with a reason."""
    accepted_ids = acceptance.accepted(migration)
    reasons = {str(identity): acceptance.reason(accepted_ids, str(identity)) for identity in accepted_ids}
    return {identity: reason for identity, reason in reasons.items() if reason}


def _file(written: Written, dependencies: Sequence[Any]) -> str:
    operations, imports = _operations(written.operations)
    named = [_dependency(dependency) for dependency in dependencies]
    if any("settings." in name for name in named):
        imports.add("from django.conf import settings")
    functions = [operation for operation in written.operations if isinstance(operation, Function)]
    return _FILE.format(
        imports="\n".join(_merged(imports)),
        functions="".join(f"\n{function.source}\n\n" for function in functions),
        attributes="".join(_attributes(written)),
        dependencies="".join(f"        {name},\n" for name in named),
        operations=operations,
    )


def _operations(operations: Sequence[Operation | Function]) -> tuple[str, set[str]]:
    lines, imports = [], {"from django.db import migrations"}
    for operation in operations:
        if isinstance(operation, Function):
            imports |= operation.imports
            arguments = [
                operation.name,
                *["migrations.RunPython.noop"] * operation.reversible,
                *["elidable=True"] * operation.elidable,
            ]
            lines.append(f"        migrations.RunPython({', '.join(arguments)}),\n")
        else:
            text, needed = OperationWriter(operation, indentation=2).serialize()
            lines.append(f"{text}\n")
            imports |= needed
    return "".join(lines), imports


def _merged(imports: set[str]) -> list[str]:
    """As Django writes them."""
    models = "from django.db import models"
    rest = imports - {models, "from django.db import migrations"}
    both = "from django.db import migrations, models" if models in imports else "from django.db import migrations"
    return sorted({*rest, both}, key=lambda line: line.split()[1])


def _attributes(written: Written) -> Iterator[str]:
    if written.accepts:
        yield f"    lockgate_accept = {_quoted(dict(written.accepts))}\n\n"
    if not written.atomic:
        yield "    atomic = False\n\n"


def _quoted(accepts: dict[str, str]) -> str:
    return "{" + ", ".join(f'"{key}": "{reason}"' for key, reason in accepts.items()) + "}"


def _dependency(dependency: Any) -> str:
    """Of what may be swapped, Django keeps the model that its setting named: the one setting that is known is named."""
    if getattr(dependency, "setting", None) == settings.AUTH_USER_MODEL:
        return "migrations.swappable_dependency(settings.AUTH_USER_MODEL)"
    return f'("{dependency[0]}", "{dependency[1]}")'


def _following(name: str, number: int) -> str:
    """The number of a later file: of four digits, as Django counts, where the name begins with one."""
    match = re.match(r"\d+", name)
    return f"{int(match[0]) + number:0{len(match[0])}}" if match else f"{name}_{number + 1}"
