"""Statements on objects of any kind by their names (DROP, RENAME, COMMENT …), and on what hangs on tables.

Sources: the pages of https://www.postgresql.org/docs/current/sql-commands.html, and src/backend/commands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from lockgate.planning.sql_changes.reading import Reader, locks_nothing, unknown
from lockgate.planning.sql_changes.tree import listed, name_in, name_of, qualified, walk, words
from lockgate.planning.sql_parser import Tree
from lockgate.planning.steps import Change, Kind

# What is made, changed or dropped by these is no table, and no table is locked for it.
_LOCKS_NOTHING = listed("""
    AlterCollationStmt AlterDatabaseSetStmt AlterDatabaseStmt AlterDefaultPrivilegesStmt AlterEnumStmt
    AlterEventTrigStmt AlterFdwStmt AlterForeignServerStmt AlterFunctionStmt AlterObjectDependsStmt
    AlterOperatorStmt AlterOpFamilyStmt AlterRoleSetStmt AlterRoleStmt AlterStatsStmt AlterSystemStmt
    AlterTSConfigurationStmt AlterTSDictionaryStmt AlterTypeStmt AlterUserMappingStmt CheckPointStmt
    ClosePortalStmt CompositeTypeStmt ConstraintsSetStmt CreateAmStmt CreateCastStmt CreateConversionStmt
    CreateEventTrigStmt CreateFdwStmt CreateForeignServerStmt CreateOpClassStmt CreateOpFamilyStmt
    CreatePLangStmt CreateRangeStmt CreateRoleStmt CreateTransformStmt CreateUserMappingStmt CreatedbStmt
    DeallocateStmt DefineStmt DiscardStmt DropRoleStmt DropdbStmt DropTableSpaceStmt DropUserMappingStmt
    CreateTableSpaceStmt FetchStmt GrantRoleStmt ImportForeignSchemaStmt ListenStmt LoadStmt NotifyStmt
    SecLabelStmt TransactionStmt UnlistenStmt VariableSetStmt VariableShowStmt
""")
_OF_ROWS = frozenset({"OBJECT_TABLE", "OBJECT_FOREIGN_TABLE"})
# Dropped or altered without a lock on any table. CASCADE may take along whatever depends on them.
_FREE_OBJECTS = listed("""
    OBJECT_FUNCTION OBJECT_PROCEDURE OBJECT_ROUTINE OBJECT_AGGREGATE OBJECT_TYPE OBJECT_DOMAIN OBJECT_COLLATION
    OBJECT_CONVERSION OBJECT_OPERATOR OBJECT_OPCLASS OBJECT_OPFAMILY OBJECT_TSCONFIGURATION OBJECT_TSDICTIONARY
    OBJECT_TSPARSER OBJECT_TSTEMPLATE OBJECT_CAST OBJECT_TRANSFORM OBJECT_LANGUAGE OBJECT_FDW OBJECT_FOREIGN_SERVER
    OBJECT_EVENT_TRIGGER OBJECT_ACCESS_METHOD OBJECT_EXTENSION OBJECT_SCHEMA OBJECT_DATABASE OBJECT_ROLE
    OBJECT_TABLESPACE OBJECT_ATTRIBUTE OBJECT_DOMCONSTRAINT OBJECT_PUBLICATION OBJECT_SUBSCRIPTION
    OBJECT_LARGEOBJECT OBJECT_PARAMETER_ACL
""")
_OF_A_TABLE = {
    "OBJECT_TRIGGER": Kind.DROP_TRIGGER,
    "OBJECT_RULE": Kind.RULE,
    "OBJECT_POLICY": Kind.ROW_SECURITY,
    "OBJECT_TABCONSTRAINT": Kind.RENAME_CONSTRAINT,
}
_RELATIONS = {"OBJECT_VIEW": Kind.VIEW, "OBJECT_MATVIEW": Kind.VIEW, "OBJECT_SEQUENCE": Kind.DROP_SEQUENCE}


def _drop(body: Tree) -> Iterator[Change]:
    kind, cascade = body["removeType"], body.get("behavior") == "DROP_CASCADE"
    for object_node in body["objects"]:
        if kind in _OF_ROWS:
            yield Change(Kind.DROP_TABLE, name_in(object_node), special=cascade)
        elif kind == "OBJECT_INDEX":
            concurrently = bool(body.get("concurrent"))
            yield Change(Kind.DROP_INDEX, "", name=words(object_node)[-1], concurrently=concurrently)
        elif kind in _OF_A_TABLE:
            *table, name = words(object_node)
            yield Change(_OF_A_TABLE[kind], qualified(*table) if len(table) > 1 else table[0], name=name)
        elif kind in _RELATIONS:
            yield Change(_RELATIONS[kind], name_in(object_node))
        elif kind == "OBJECT_STATISTIC_EXT":
            yield from unknown(f"DROP STATISTICS {name_in(object_node)}, whose table it does not say")
        elif kind in _FREE_OBJECTS and not cascade:
            yield Change(Kind.OTHER, "")
        else:
            told = kind in ("OBJECT_SCHEMA", "OBJECT_EXTENSION")
            yield from unknown(f"DROP {_said(kind)}{' … CASCADE' if cascade else ''}", told=told)


def _said(kind: str) -> str:
    return kind.removeprefix("OBJECT_").replace("_", " ")


def _rename(body: Tree) -> Iterator[Change]:
    kind, new = body["renameType"], body.get("newname", "")
    relation: Any = body.get("relation")
    if kind in _OF_ROWS:
        old = name_of(relation)
        schema = str(relation.get("schemaname", ""))
        yield Change(Kind.RENAME_TABLE, old, name=qualified(schema, new), old_name=old)
    elif kind == "OBJECT_COLUMN" and body.get("relationType") in (*_OF_ROWS, "OBJECT_VIEW", "OBJECT_MATVIEW"):
        yield Change(Kind.RENAME_COLUMN, name_of(relation), (new,), name=new, old_name=body.get("subname", ""))
    elif kind == "OBJECT_INDEX":
        yield Change(Kind.RENAME_INDEX, "", name=new, old_name=relation["relname"])
    elif kind in _OF_A_TABLE:
        yield Change(_OF_A_TABLE[kind], name_of(relation), name=new, old_name=body.get("subname", ""))
    elif kind in _RELATIONS:
        yield Change(_RELATIONS[kind], name_of(relation))
    elif kind == "OBJECT_SCHEMA":
        yield Change(Kind.RENAME_SCHEMA, "", name=new, old_name=body.get("subname", ""))
    elif kind in _FREE_OBJECTS or kind == "OBJECT_STATISTIC_EXT":
        yield Change(Kind.OTHER, "")
    else:
        yield from unknown(f"a {_said(kind).lower()} that is renamed")


def _set_schema(body: Tree) -> Iterator[Change]:
    kind = body["objectType"]
    if kind in _OF_ROWS:
        yield Change(Kind.SET_SCHEMA, name_of(body["relation"]), name=body.get("newschema", ""))
    elif kind in _RELATIONS:
        yield Change(_RELATIONS[kind], name_of(body["relation"]))
    elif kind in _FREE_OBJECTS and kind != "OBJECT_EXTENSION":
        yield Change(Kind.OTHER, "")
    else:
        yield from unknown(f"a {_said(kind).lower()} that is moved to another schema")


def _comment(body: Tree) -> Iterator[Change]:
    object_node = body.get("object", {})
    match body["objtype"]:
        case "OBJECT_TABLE" | "OBJECT_FOREIGN_TABLE" | "OBJECT_VIEW" | "OBJECT_MATVIEW" | "OBJECT_SEQUENCE":
            yield Change(Kind.COMMENT, name_in(object_node))
        case "OBJECT_COLUMN":
            *table, column = words(object_node)
            yield Change(Kind.COMMENT, _of_parts(table), (column,))
        case kind if kind in _OF_A_TABLE:
            yield Change(Kind.READ, _of_parts(words(object_node)[:-1]))
        case _:
            yield Change(Kind.OTHER, "")


def _of_parts(parts: list[str]) -> str:
    return qualified(parts[-2] if len(parts) > 1 else "", parts[-1]) if parts else ""


def _trigger(body: Tree) -> Iterator[Change]:
    yield Change(Kind.CREATE_TRIGGER, name_of(body["relation"]), name=body.get("trigname", ""))
    if "constrrel" in body:
        yield Change(Kind.READ, name_of(body["constrrel"]))


def _rule(body: Tree) -> Iterator[Change]:
    yield Change(Kind.RULE, name_of(body["relation"]), name=body.get("rulename", ""))
    for kind, part in walk(body.get("actions", ())):
        if kind == "RangeVar" or (kind.endswith("Stmt") and "relation" in part):
            table = name_of(part if kind == "RangeVar" else part["relation"])
            if table not in ("old", "new"):
                yield Change(Kind.READ if kind == "RangeVar" else Kind.WRITES_LATER, table)


def _policy(body: Tree) -> Iterator[Change]:
    yield Change(Kind.ROW_SECURITY, name_of(body["table"]), name=body.get("policy_name", ""))
    for kind, part in walk([body.get("qual", {}), body.get("with_check", {})]):
        if kind == "RangeVar":
            yield Change(Kind.READ, name_of(part))


def _statistics(body: Tree) -> Iterator[Change]:
    for relation in body.get("relations", ()):
        yield Change(Kind.STATISTICS, name_of(relation["RangeVar"]))


def _publication(body: Tree) -> Iterator[Change]:
    specs = [spec["PublicationObjSpec"] for spec in body.get("pubobjects", ())]
    tables = [name_of(spec["pubtable"]["relation"]) for spec in specs if "pubtable" in spec]
    if body.get("action") == "AP_SetObjects":
        yield from unknown("ALTER PUBLICATION … SET, which locks what was in it too")
    yield from (Change(Kind.PUBLICATION, table) for table in tables) if tables else locks_nothing(body)


def _sequence(body: Tree) -> Iterator[Change]:
    kind = Kind.SEQUENCE if body.get("_alters") else Kind.OTHER
    yield Change(kind, name_of(body["sequence"]) if kind is Kind.SEQUENCE else "")
    for option_node in body.get("options", ()):
        element = option_node["DefElem"]
        if element["defname"] == "owned_by" and len(parts := words(element.get("arg"))) > 1:
            yield Change(Kind.READ, _of_parts(parts[:-1]))


def _alter_sequence(body: Tree) -> Iterator[Change]:
    return _sequence({**body, "_alters": True})


def _grant(body: Tree) -> Iterator[Change]:
    yield Change(Kind.OTHER, "")
    if body.get("objtype") == "OBJECT_TABLE":
        yield from (
            Change(Kind.READ, name_of(object_["RangeVar"])) for object_ in body["objects"] if "RangeVar" in object_
        )


def _owner(body: Tree) -> Iterable[Change]:
    kind = body["objectType"]
    return locks_nothing(body) if kind in _FREE_OBJECTS else unknown(f"a {_said(kind).lower()} gets another owner")


def _extension(body: Tree) -> Iterator[Change]:
    yield Change(Kind.EXTENSION, "", name=body.get("extname", ""))


def _alter_extension(body: Tree) -> tuple[Change, ...]:
    return unknown(f"ALTER EXTENSION {body.get('extname', '')}, which runs a script of the extension's")


def _schema(body: Tree) -> Iterable[Change]:
    if "schemaElts" in body:
        return unknown("CREATE SCHEMA with statements in it")
    return locks_nothing(body)


def _owned(_: Tree) -> tuple[Change, ...]:
    return unknown("DROP OWNED or REASSIGN OWNED, which touch all that a role has")


def _move_all(_: Tree) -> tuple[Change, ...]:
    return unknown("ALTER … ALL IN TABLESPACE, which moves many tables")


READERS: dict[str, Reader] = {
    **dict.fromkeys(_LOCKS_NOTHING, locks_nothing),
    "DropStmt": _drop,
    "RenameStmt": _rename,
    "AlterObjectSchemaStmt": _set_schema,
    "AlterOwnerStmt": _owner,
    "CommentStmt": _comment,
    "CreateTrigStmt": _trigger,
    "RuleStmt": _rule,
    "CreatePolicyStmt": _policy,
    "AlterPolicyStmt": _policy,
    "CreateStatsStmt": _statistics,
    "CreatePublicationStmt": _publication,
    "AlterPublicationStmt": _publication,
    "CreateSeqStmt": _sequence,
    "AlterSeqStmt": _alter_sequence,
    "GrantStmt": _grant,
    "CreateExtensionStmt": _extension,
    "AlterExtensionStmt": _alter_extension,
    "AlterExtensionContentsStmt": locks_nothing,
    "CreateSchemaStmt": _schema,
    "DropOwnedStmt": _owned,
    "ReassignOwnedStmt": _owned,
    "AlterTableMoveAllStmt": _move_all,
    "CreateSubscriptionStmt": locks_nothing,
}
