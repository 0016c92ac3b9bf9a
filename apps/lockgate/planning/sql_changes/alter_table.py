"""ALTER TABLE, and what else has its form (ALTER INDEX, ALTER VIEW …): what each of its commands changes.

Source: the lock of each is in AlterTableGetLockLevel() of src/backend/commands/tablecmds.c
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from lockgate.planning.sql_changes import definitions
from lockgate.planning.sql_changes.reading import Reader, locks_nothing, unknown
from lockgate.planning.sql_changes.tree import listed, name_of, type_text, words
from lockgate.planning.sql_parser import Tree
from lockgate.planning.steps import Change, Kind, Work

_Command = Callable[[str, Tree], Iterable[Change]]
# Options of a table, or an index, of which a change lets reads and writes pass. Source: reloptions.c
_LIGHT_OPTIONS = listed("""
    fillfactor toast_tuple_target parallel_workers vacuum_index_cleanup vacuum_truncate log_autovacuum_min_duration
    log_autoanalyze_min_duration deduplicate_items vacuum_max_eager_freeze_failure_rate
""")


def _alter(body: Tree) -> Iterable[Change]:
    table = name_of(body["relation"])
    match body.get("objtype"):
        case "OBJECT_TABLE" | "OBJECT_FOREIGN_TABLE" | "OBJECT_MATVIEW":
            return [change for command in body.get("cmds", ()) for change in _command(table, command["AlterTableCmd"])]
        case "OBJECT_VIEW":
            return [Change(Kind.VIEW, table)]
        case "OBJECT_SEQUENCE":
            return [Change(Kind.SEQUENCE, table)]
        case "OBJECT_INDEX":
            return [
                change
                for command in body.get("cmds", ())
                for change in _of_index(body["relation"]["relname"], command["AlterTableCmd"])
            ]
        case "OBJECT_TYPE":
            return locks_nothing(body)  # of a composite type that tables are made of, PostgreSQL refuses it
        case other:
            return unknown(f"ALTER of {other}")


def _of_index(index: str, command: Tree) -> Iterator[Change]:
    options = command["subtype"] in ("AT_SetRelOptions", "AT_ResetRelOptions") and not _are_strong(command)
    if options or command["subtype"] == "AT_SetStatistics":
        yield Change(Kind.INDEX_OPTIONS, "", name=index)
    elif command["subtype"] == "AT_SetTableSpace":
        yield Change(Kind.MOVE_INDEX, "", name=index)
    else:
        yield from unknown(f"ALTER INDEX {index} ({command['subtype']})")


def _command(table: str, command: Tree) -> Iterable[Change]:
    subtype = command["subtype"]
    if subtype in _PLAIN:
        columns = (command["name"],) if "name" in command and _PLAIN[subtype] in _OF_COLUMNS else ()
        name = "" if columns else str(command.get("name", ""))
        return (Change(_PLAIN[subtype], table, columns, name),)
    if reader := _COMMANDS.get(subtype):
        return reader(table, command)
    return unknown(f"ALTER TABLE {table} ({subtype.removeprefix('AT_')})", table)


def _add_column(table: str, command: Tree) -> Iterator[Change]:
    yield from definitions.column(table, command["def"]["ColumnDef"])


def _add_constraint(table: str, command: Tree) -> Iterator[Change]:
    yield from definitions.constraint(table, command["def"]["Constraint"])


def _drop_column(table: str, command: Tree) -> Iterator[Change]:
    yield Change(Kind.DROP_COLUMN, table, (command["name"],))


def _alter_type(table: str, command: Tree) -> Iterator[Change]:
    definition = command["def"]["ColumnDef"]
    type_name = type_text(definition["typeName"])
    if "raw_default" in definition and not _is_same(definition["raw_default"], command["name"], type_name):  # USING
        type_name = f"{type_name} using"
    yield Change(Kind.ALTER_TYPE, table, (command["name"],), type=type_name, work=Work.REWRITE)


def _is_same(using: Tree, column: str, type_name: str) -> bool:
    """Whether USING says what there would be without it: the column, or its cast to the new type."""
    if "TypeCast" in using:
        if type_text(using["TypeCast"]["typeName"]) != type_name:
            return False
        using = using["TypeCast"]["arg"]
    return words(using.get("ColumnRef", {}).get("fields")) == [column]


def _default(table: str, command: Tree) -> Iterator[Change]:
    kind = Kind.DROP_DEFAULT if definitions.is_null(command.get("def")) or "def" not in command else Kind.SET_DEFAULT
    yield Change(kind, table, (command["name"],), database_default=True)


def _options(table: str, command: Tree) -> Iterator[Change]:
    yield Change(Kind.STRONG_OPTIONS if _are_strong(command) else Kind.TABLE_OPTIONS, table)


def _are_strong(command: Tree) -> bool:
    items: Any = command.get("def", {}).get("List", {}).get("items", ())
    names = {item["DefElem"]["defname"] for item in items}
    return any(name not in _LIGHT_OPTIONS and not name.startswith("autovacuum_") for name in names)


def _inherit(table: str, command: Tree) -> Iterator[Change]:
    yield Change(Kind.INHERIT, table)
    yield Change(Kind.GIVE_PARENT, name_of(command["def"]["RangeVar"]))


def _disinherit(table: str, command: Tree) -> Iterator[Change]:
    yield Change(Kind.INHERIT, table)
    yield Change(Kind.INHERIT, name_of(command["def"]["RangeVar"]))  # who reads it reads its children too, and waits


def _attach(table: str, command: Tree) -> Iterator[Change]:
    yield Change(Kind.ATTACH_PARTITION, table)
    yield Change(Kind.BECOME_PARTITION, name_of(command["def"]["PartitionCmd"]["name"]))


def _detach(table: str, command: Tree) -> Iterator[Change]:
    partition = command["def"]["PartitionCmd"]
    concurrently = bool(partition.get("concurrent"))
    yield Change(Kind.DETACH_PARTITION, table, concurrently=concurrently)
    yield Change(Kind.DETACHED, name_of(partition["name"]), concurrently=concurrently)


def _finalize(table: str, command: Tree) -> Iterator[Change]:
    yield Change(Kind.DETACH_PARTITION, table, concurrently=True)
    yield Change(Kind.DETACHED, name_of(command["def"]["PartitionCmd"]["name"]))


_TRIGGERS = ("Trig", "AlwaysTrig", "ReplicaTrig", "TrigAll", "TrigUser")
_PLAIN = {
    **{f"AT_{way}{which}": Kind.SWITCH_TRIGGER for way in ("Enable", "Disable") for which in _TRIGGERS},
    **{f"AT_{which}Rule": Kind.RULE for which in ("Enable", "EnableAlways", "EnableReplica", "Disable")},
    **{f"AT_{which}RowSecurity": Kind.ROW_SECURITY for which in ("Enable", "Disable", "Force", "NoForce")},
    "AT_DropConstraint": Kind.DROP_CONSTRAINT,
    "AT_ValidateConstraint": Kind.VALIDATE_CONSTRAINT,
    "AT_SetNotNull": Kind.SET_NOT_NULL,
    "AT_DropNotNull": Kind.DROP_NOT_NULL,
    "AT_AddIdentity": Kind.ADD_IDENTITY,
    "AT_SetIdentity": Kind.ADD_IDENTITY,
    "AT_DropIdentity": Kind.DROP_IDENTITY,
    "AT_DropExpression": Kind.SET_DEFAULT,
    "AT_SetExpression": Kind.SET_EXPRESSION,
    "AT_SetStatistics": Kind.SET_STATISTICS,
    "AT_SetOptions": Kind.SET_STATISTICS,
    "AT_ResetOptions": Kind.SET_STATISTICS,
    "AT_SetStorage": Kind.SET_STORAGE,
    "AT_SetCompression": Kind.SET_STORAGE,
    "AT_ClusterOn": Kind.CLUSTER_ON,
    "AT_DropCluster": Kind.CLUSTER_ON,
    "AT_ReplicaIdentity": Kind.REPLICA_IDENTITY,
    "AT_ChangeOwner": Kind.OWNER,
    "AT_AlterConstraint": Kind.ALTER_CONSTRAINT,
    "AT_SetTableSpace": Kind.MOVE_TABLE,
    "AT_SetLogged": Kind.MOVE_TABLE,
    "AT_SetUnLogged": Kind.MOVE_TABLE,
    "AT_SetAccessMethod": Kind.MOVE_TABLE,
    "AT_GenericOptions": Kind.STRONG_OPTIONS,
}
_OF_COLUMNS = frozenset(
    {
        Kind.SET_NOT_NULL,
        Kind.DROP_NOT_NULL,
        Kind.ADD_IDENTITY,
        Kind.DROP_IDENTITY,
        Kind.SET_DEFAULT,
        Kind.SET_EXPRESSION,
        Kind.SET_STATISTICS,
        Kind.SET_STORAGE,
    }
)
_COMMANDS: dict[str, _Command] = {
    "AT_AddColumn": _add_column,
    "AT_AddConstraint": _add_constraint,
    "AT_DropColumn": _drop_column,
    "AT_AlterColumnType": _alter_type,
    "AT_ColumnDefault": _default,
    "AT_SetRelOptions": _options,
    "AT_ResetRelOptions": _options,
    "AT_AddInherit": _inherit,
    "AT_DropInherit": _disinherit,
    "AT_AttachPartition": _attach,
    "AT_DetachPartition": _detach,
    "AT_DetachPartitionFinalize": _finalize,
}
READERS: dict[str, Reader] = {"AlterTableStmt": _alter}
