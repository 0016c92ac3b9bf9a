"""``python -m tests.conformance.statements [PROJECT …]``: lazy rendering sends what Django's own way sends, in order.

Each project's whole history is run three times, each time on an empty database, and every statement is read off the
wire: by Lockgate as it is, by Lockgate with LAZY_RENDERING off, and by stock Django. What Lockgate says to its own
tables is left out, and moments and random keys do not count. Where RenameModel sees to the relations of the renamed
model, Django goes through a set: there the same statements may come in another order, which the table says.

Needs the network the first time, and minutes. ``TEST_DATABASE_URL`` as for ``tests.conformance.histories``. Exits 1
where lazy rendering makes a difference, or a run fails; what else differs from stock Django is shown. Differences are
kept in ``.data/conformance/PROJECT/statements.txt``.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field

from project import embedded
from tests.conformance.environments import Ended, Environment
from tests.conformance.histories import lacking
from tests.conformance.projects import ALL, Project
from tests.support.databases import another
from tests.support.sweep_wire import on_the_wire

# Django's sets are in the same order in every run of one seed.
SEED = {"PYTHONHASHSEED": "0"}
OFF = {**SEED, "LOCKGATE_LAZY_RENDERING": "off"}
# What Lockgate says for itself (its tables, its lock, its marks, what it asks the catalog), and what it asks and ends
# in other places than Django's executor does: which tables and migrations there are, and transactions.
_OWN = re.compile(
    r"lockgate|advisory|'lock_timeout'|synchronous_commit|application_name|client_connection_check|pg_backend_pid|^-- "
    r"|^(RE)?SET (lock|statement)_timeout\b|obj_description\(c\.oid"
    r"|^SELECT .* FROM \"django_migrations\"|^(BEGIN|COMMIT|ROLLBACK)\b"
)
# Django's record of a migration, as Lockgate sends it together with its own (record_applied.sql, record_applied_whole).
_RECORD = re.compile(r"INSERT INTO django_migrations \(app, name, applied\) VALUES \(([^)]+)\)")
_END = re.compile(r";\s+|;$")  # of a statement; also within a text, but then in all of those that are compared
# Which command a statement comes from, as a project may have it said.
_TAG = re.compile(r"^/\* \S+=.*? \*/ | /\* \S+=.*? \*/")
# What RenameModel sends for each relation to the renamed model.
_OF_RENAMED = re.compile(
    r"SELECT c\.conname|SELECT indexname|SET CONSTRAINTS|CREATE INDEX"
    r"|ALTER TABLE \S+ (DROP CONSTRAINT|ADD CONSTRAINT .* FOREIGN KEY|RENAME COLUMN)"
)
_VARYING = re.compile(
    r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?(\+\d\d(:?\d\d)?)?"
    r"|(?<=SAVEPOINT \")\w+|(?<=_django_curs_)\d+"
    r"|[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}"
    r"|(?<=')[\w$/+=!@#%^&*(),.:;<>?~-]{32,}(?=')"  # a key, or a hash, that is made anew each time
    r"|(?<=')(?=\w*\d)(?=\w*[a-z])[0-9a-z]{16}(?=')"  # the same, short
)


@dataclass
class Compared:
    """What one project's runs have sent. other: what is compared with, lines that differ, and whether order alone."""

    project: Project
    count: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    different: dict[str, list[str]] = field(default_factory=dict)
    reordered: dict[str, int] = field(default_factory=dict)
    problem: str = ""

    @property
    def same(self) -> bool:
        return not (self.problem or self.different["off"])


def examine(project: Project) -> Compared | str:
    """The comparison; or why there is none."""
    try:
        Environment(project, "").make()
    except subprocess.CalledProcessError as error:
        return f"cannot be installed: {error.cmd[-1]}"
    if missing := lacking(project):
        return missing
    compared = Compared(project)
    lazy = _sent(compared, "lazy", SEED)
    compared.count = len(lazy)
    for name, variables in (("off", OFF), ("stock Django", SEED)):
        _compare(compared, name, lazy, _sent(compared, name, variables))
    return compared


def _sent(compared: Compared, name: str, variables: dict[str, str]) -> list[str]:
    """The statements of a run from nothing, without what varies."""
    with another() as database, on_the_wire() as wire:
        environment = Environment(compared.project, wire.url(database.name), variables)
        stock = name == "stock Django"
        ended = environment.stock("migrate") if stock else environment.manage("migrate", "--noinput")
        _note(compared, name, ended)
        return comparable(wire.watch.statements)


def comparable(statements: list[str]) -> list[str]:
    """Without what Lockgate says for itself, and what differs from run to run."""
    found: list[str] = []
    parts = (_TAG.sub("", part) for statement in statements for part in _END.split(statement) if part)
    for each in map(_in_djangos_words, parts):
        if _OWN.search(each):
            continue
        if found and found[-1].startswith("SAVEPOINT") and each.startswith("RELEASE SAVEPOINT"):
            found.pop()  # around what Lockgate says for itself
        else:
            found.append(_VARYING.sub("…", each))
    return found


def _in_djangos_words(statement: str) -> str:
    if not (record := _RECORD.search(statement)):
        return statement
    insert = 'INSERT INTO "django_migrations" ("app", "name", "applied")'
    return f'{insert} VALUES ({record[1]}) RETURNING "django_migrations"."id"'


def _note(compared: Compared, name: str, ended: Ended) -> None:
    compared.seconds[name] = ended.seconds
    if ended.code and not compared.problem:
        compared.problem = f"{name} exits {ended.code}: {ended.err[-1500:]}"


def _compare(compared: Compared, name: str, lazy: list[str], other: list[str]) -> None:
    lines = list(difflib.unified_diff(other, lazy, name, "lazy", lineterm="", n=0))
    moved = [line for line in lines[2:] if not line.startswith("@@")]
    alike = Counter(lazy) == Counter(other) and (name != "off" or all(_OF_RENAMED.match(line[1:]) for line in moved))
    compared.reordered[name] = sum(line.startswith("+") for line in moved) if alike else 0
    compared.different[name] = [] if alike else lines


def report(found: dict[str, Compared | str]) -> str:
    """The table, as Markdown, and what differs."""
    lines = [
        "| project | statements | lazy | off | stock Django | beside off | beside stock Django |",
        "|---|---:|---:|---:|---:|---|---|",
    ]
    compared = [each for each in found.values() if isinstance(each, Compared)]
    lines += [_row(one_compared) for one_compared in compared]
    lines += [f"\n{name}: {each}" for name, each in found.items() if isinstance(each, str)]
    for one_compared in (one_compared for one_compared in compared if not one_compared.same):
        lines.append(f"\nDIFFERS: {one_compared.project.name}: {one_compared.problem}")
        lines += [f"    {line[:300]}" for found in one_compared.different.values() for line in found[:20]]
    return "\n".join(lines)


def _row(compared: Compared) -> str:
    seconds = [
        f"{compared.seconds[name]:.1f} s" for name in ("lazy", "off", "stock Django") if name in compared.seconds
    ]
    outcomes = [_outcome(compared, name) for name in ("off", "stock Django")]
    return f"| {' | '.join([compared.project.name, str(compared.count), *seconds, *outcomes])} |"


def _outcome(compared: Compared, name: str) -> str:
    if compared.problem:
        return "failed"
    if lines := compared.different[name]:
        return f"{len(lines)} lines differ"
    return f"same, {compared.reordered[name]} in another order" if compared.reordered[name] else "same"


def main(names: list[str]) -> int:
    unknown = sorted(set(names) - set(ALL))
    if unknown:
        sys.stderr.write(f"no such project: {', '.join(unknown)}; there are: {', '.join(ALL)}\n")
        return 2
    found: dict[str, Compared | str] = {}
    with contextlib.ExitStack() as stack:
        if "TEST_DATABASE_URL" not in os.environ:
            os.environ["TEST_DATABASE_URL"] = stack.enter_context(embedded.server())
        for name in names or ALL:
            found[name] = each = examine(ALL[name])
            text = [line for lines in each.different.values() for line in lines] if isinstance(each, Compared) else []
            (Environment(ALL[name], "").home / "statements.txt").write_text("\n".join(text))
    sys.stdout.write(report(found) + "\n")
    return 0 if all(each.same for each in found.values() if isinstance(each, Compared)) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
