"""What a manifest says of the snapshot beside it: how a start that has no Django loads it, or why it must not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from django.core import checks
from django.core.checks.registry import registry
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.loader import MigrationLoader

from lockgate import policy
from lockgate.facts import Key
from lockgate.manifest import manifest_file
from lockgate.snapshot import compatibility, load, post_migrate_rows, reader, snapshot_file
from lockgate.snapshot.compatibility import Release
from lockgate.snapshot.snapshot_file import Header


def lines(script: str, loader: MigrationLoader, limits: policy.Policy, variable: str) -> Iterator[str]:
    """None where there is no snapshot; else ``snapshot`` with its path, checksum, boundary, server's major version and
    the time zone of Django's sessions, and ``replay`` with the reason where a run must see to an empty database.

    variable: LOCKGATE_SNAPSHOT of the build, which only a full start reads.
    Who may write to the file is each start's matter: it need not be owned here by whom it is owned there.
    """
    named = variable or limits.snapshot
    if named == policy.NO_SNAPSHOT:
        return
    path = Path(named) if named else load.beside_manage_py(Path(script))
    if path is None or not path.is_file():
        return
    try:
        content = reader.read(str(path))
        header = snapshot_file.header(content)
        why = "only a full start reads LOCKGATE_SNAPSHOT" if variable else ""
        why = why or _why_not(path, header, loader, limits)
    except (OSError, ValueError, TypeError, KeyError) as error:
        yield f"replay {manifest_file.encoded(str(error))}"
        return
    zone = connections[DEFAULT_DB_ALIAS].timezone_name
    fields = (str(path), content.checksum, header.digest, str(header.server), zone)
    yield f"snapshot {' '.join(map(manifest_file.encoded, fields))}"
    if why:
        yield f"replay {manifest_file.encoded(why)}"


def _why_not(path: Path, header: Header, loader: MigrationLoader, limits: policy.Policy) -> str:
    disk = {Key(*key): migration for key, migration in loader.disk_migrations.items()}
    if not path.is_absolute():
        return 'LOCKGATE["SNAPSHOT"] is a relative path'
    if not (path.name.isascii() and path.name.isprintable()) or set(path.name) & set('"\\'):
        return "its name has odd characters"
    if limits.on_hazard == "refuse":
        return "hazards are to be judged"
    if limits.listeners:
        return "listeners are to be told"
    return (
        compatibility.why_not_for_code(header, Release(disk, loader.graph), DEFAULT_DB_ALIAS)
        or post_migrate_rows.why_not(header, disk.keys())
        or ("" if header.settled else "what post_migrate makes is not in it")
        or ("" if header.settled == post_migrate_rows.digest() else "post_migrate would make something else")
        or _failed_check()
    )


def _failed_check() -> str:
    """What a full start would refuse to begin for. Checks that ask a database have none to ask here."""
    for check in registry.get_checks():
        if checks.Tags.database in check.tags and not check.__module__.startswith(("django.", "lockgate.")):
            return f"a system check of {check.__module__} asks the database"
    try:
        messages = checks.run_checks(tags=policy.SCHEMA_CHECKS)
    except Exception as error:  # whatever the project's code raises; the full start shows it
        return f"the system checks fail: {type(error).__name__}"
    serious = [message for message in messages if message.is_serious() and not message.is_silenced()]
    return f"a system check fails: {serious[0].id or serious[0].msg}" if serious else ""
