"""Statements that make, change and drop tables, indexes and what hangs on them.

Sources: the pages of https://www.postgresql.org/docs/current/sql-commands.html, and src/backend/commands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from lockgate.planning.new_types import SERIALS
from lockgate.planning.sql_changes import alter_table
from lockgate.planning.sql_changes.reading import Reader, locks_nothing, unknown
from lockgate.planning.sql_changes.tree import listed, name_in, name_of, option, qualified, type_text, walk, words
from lockgate.planning.sql_parser import Tree
from lockgate.planning.steps import Change, Kind, LockMode

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


def _create_index(body: Tree) -> Iterator[Change]:
    elements = [each["IndexElem"] for each in body.get("indexParams", ())]
    used = [fields for each in elements for fields in _columns(each)]
    yield Change(
        Kind.ADD_INDEX,
        name_of(body["relation"]),
        tuple(dict.fromkeys(used)),
        body.get("idxname", ""),
        unique=bool(body.get("unique")),
        partial="whereClause" in body,
        conditioned=tuple(dict.fromkeys(_used(body.get("whereClause")))),
        concurrently=bool(body.get("concurrent")),
        expression=any("expr" in each for each in elements),
        included=tuple(each["IndexElem"]["name"] for each in body.get("indexIncludingParams", ())),
        nulls_equal=bool(body.get("nulls_not_distinct")),
        special=body.get("accessMethod", "btree") != "btree" or "options" in body,
    )


def _columns(element: Tree) -> list[str]:
    return [str(element["name"])] if "name" in element else _used(element)


def _used(node: Any) -> list[str]:
    used = (words(body.get("fields")) for kind, body in walk(node) if kind == "ColumnRef")
    return [names[-1] for names in used if names]


def _create_table(body: Tree) -> Iterator[Change]:
    table = name_of(body["relation"])
    maybe = bool(body.get("if_not_exists"))
    targets = list(dict.fromkeys(alter_table.references(body))) or [""]
    made = [Change(Kind.CREATE_TABLE, table, references=target, special=maybe) for target in targets]
    yield from (made[0]._replace(columns=(key,), type=type_) for key, type_ in _numbered_key(body))
    yield from made
    yield from _columns_of_new(table, body)
    for element in body.get("tableElts", ()):
        if "TableLikeClause" in element:
            yield Change(Kind.READ, name_of(element["TableLikeClause"]["relation"]))
    for each in body.get("inhRelations", ()):
        kind = Kind.ADD_PARTITION if "partbound" in body else Kind.GIVE_PARENT
        yield Change(kind, name_of(each["RangeVar"]))


def _columns_of_new(table: str, body: Tree) -> Iterator[Change]:
    """The columns that are the key or refer to one of another table, the key first."""
    elements = body.get("tableElts", ())
    types = {column["colname"]: type_text(column["typeName"]) for each in elements if (column := each.get("ColumnDef"))}
    given = [(given, words(given.get("fk_attrs") or given.get("keys"))) for each in elements
             if (given := each.get("Constraint"))]  # fmt: skip
    given += [(each["Constraint"], [column["colname"]]) for element in elements
              if (column := element.get("ColumnDef")) for each in column.get("constraints", ())]  # fmt: skip
    alone = [(constraint, columns[0]) for constraint, columns in given if len(columns) == 1 and columns[0] in types]
    for constraint, name in alone:
        if constraint["contype"] == "CONSTR_PRIMARY":
            yield Change(Kind.COLUMN_OF_NEW, table, (name,), type=types[name], unique=True)
    for constraint, name in alone:
        if constraint["contype"] == "CONSTR_FOREIGN":
            target, referred = name_of(constraint["pktable"]), alter_table.referred(constraint)
            yield Change(Kind.COLUMN_OF_NEW, table, (name,), old_name=referred, references=target, type=types[name])


def _numbered_key(body: Tree) -> Iterator[tuple[str, str]]:
    """The column of a new table's key that PostgreSQL numbers itself, and its type."""
    elements = body.get("tableElts", ())
    keys = [words(given["keys"]) for each in elements if (given := each.get("Constraint", {})).get("keys")
            and given["contype"] == "CONSTR_PRIMARY"]  # fmt: skip
    for column in (each["ColumnDef"] for each in elements if "ColumnDef" in each):
        name, type_ = column["colname"], type_text(column["typeName"])
        kinds = {each["Constraint"]["contype"] for each in column.get("constraints", ())}
        if ("CONSTR_PRIMARY" in kinds or [name] in keys) and ("CONSTR_IDENTITY" in kinds or type_ in SERIALS):
            yield name, type_


def _create_foreign_table(body: Tree) -> Iterator[Change]:
    yield from _create_table(body["base"] if "base" in body else body["baseStmt"])


def _drop(body: Tree) -> Iterator[Change]:
    kind, cascade = body["removeType"], body.get("behavior") == "DROP_CASCADE"
    for given in body["objects"]:
        if kind in _OF_ROWS:
            yield Change(Kind.DROP_TABLE, name_in(given), special=cascade)
        elif kind == "OBJECT_INDEX":
            concurrently = bool(body.get("concurrent"))
            yield Change(Kind.DROP_INDEX, "", name=words(given)[-1], concurrently=concurrently)
        elif kind in _OF_A_TABLE:
            *table, name = words(given)
            yield Change(_OF_A_TABLE[kind], qualified(*table) if len(table) > 1 else table[0], name=name)
        elif kind in _RELATIONS:
            yield Change(_RELATIONS[kind], name_in(given))
        elif kind == "OBJECT_STATISTIC_EXT":
            yield from unknown(f"DROP STATISTICS {name_in(given)}, whose table it does not say")
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
    given = body.get("object", {})
    match body["objtype"]:
        case "OBJECT_TABLE" | "OBJECT_FOREIGN_TABLE" | "OBJECT_VIEW" | "OBJECT_MATVIEW" | "OBJECT_SEQUENCE":
            yield Change(Kind.COMMENT, name_in(given))
        case "OBJECT_COLUMN":
            *table, column = words(given)
            yield Change(Kind.COMMENT, _of_parts(table), (column,))
        case kind if kind in _OF_A_TABLE:
            yield Change(Kind.READ, _of_parts(words(given)[:-1]))
        case _:
            yield Change(Kind.OTHER, "")


def _of_parts(parts: list[str]) -> str:
    return qualified(parts[-2] if len(parts) > 1 else "", parts[-1]) if parts else ""


def _truncate(body: Tree) -> Iterator[Change]:
    cascade = body.get("behavior") == "DROP_CASCADE"
    for each in body["relations"]:
        yield Change(Kind.TRUNCATE, name_of(each["RangeVar"]), special=cascade)


def _lock(body: Tree) -> Iterator[Change]:
    mode = list(LockMode)[body["mode"] - 1]
    for each in body["relations"]:
        yield Change(Kind.LOCK_TABLE, name_of(each["RangeVar"]), mode=mode)


def _vacuum(body: Tree) -> Iterator[Change]:
    options = body.get("options")
    kind = Kind.ANALYZE
    if body.get("is_vacuumcmd"):
        kind = Kind.VACUUM_FULL if option(options, "full") else Kind.VACUUM
    if "rels" not in body:
        yield from unknown(f"{kind.value} of every table")
    for each in body.get("rels", ()):
        yield Change(kind, name_of(each["VacuumRelation"]["relation"]))


def _cluster(body: Tree) -> Iterable[Change]:
    if "relation" not in body:
        return unknown("CLUSTER of every table")
    return (Change(Kind.CLUSTER, name_of(body["relation"])),)


def _reindex(body: Tree) -> Iterable[Change]:
    concurrently = option(body.get("params"), "concurrently")
    match body["kind"]:
        case "REINDEX_OBJECT_TABLE":
            return (Change(Kind.REINDEX, name_of(body["relation"]), concurrently=concurrently),)
        case "REINDEX_OBJECT_INDEX":
            return (Change(Kind.REINDEX, "", name=body["relation"]["relname"], concurrently=concurrently),)
    return unknown("REINDEX of many tables")


def _refresh(body: Tree) -> Iterator[Change]:
    table, concurrently = name_of(body["relation"]), bool(body.get("concurrent"))
    yield Change(Kind.REFRESH, table, concurrently=concurrently, special=bool(body.get("skipData")))


def _trigger(body: Tree) -> Iterator[Change]:
    yield Change(Kind.CREATE_TRIGGER, name_of(body["relation"]), name=body.get("trigname", ""))
    if "constrrel" in body:
        yield Change(Kind.READ, name_of(body["constrrel"]))


def _rule(body: Tree) -> Iterator[Change]:
    yield Change(Kind.RULE, name_of(body["relation"]), name=body.get("rulename", ""))
    for kind, each in walk(body.get("actions", ())):
        if kind == "RangeVar" or (kind.endswith("Stmt") and "relation" in each):
            table = name_of(each if kind == "RangeVar" else each["relation"])
            if table not in ("old", "new"):
                yield Change(Kind.READ if kind == "RangeVar" else Kind.WRITES_LATER, table)


def _policy(body: Tree) -> Iterator[Change]:
    yield Change(Kind.ROW_SECURITY, name_of(body["table"]), name=body.get("policy_name", ""))
    for kind, each in walk([body.get("qual", {}), body.get("with_check", {})]):
        if kind == "RangeVar":
            yield Change(Kind.READ, name_of(each))


def _statistics(body: Tree) -> Iterator[Change]:
    for each in body.get("relations", ()):
        yield Change(Kind.STATISTICS, name_of(each["RangeVar"]))


def _publication(body: Tree) -> Iterator[Change]:
    found = [each["PublicationObjSpec"] for each in body.get("pubobjects", ())]
    tables = [name_of(each["pubtable"]["relation"]) for each in found if "pubtable" in each]
    if body.get("action") == "AP_SetObjects":
        yield from unknown("ALTER PUBLICATION … SET, which locks what was in it too")
    yield from (Change(Kind.PUBLICATION, table) for table in tables) if tables else locks_nothing(body)


def _sequence(body: Tree) -> Iterator[Change]:
    kind = Kind.SEQUENCE if body.get("_alters") else Kind.OTHER
    yield Change(kind, name_of(body["sequence"]) if kind is Kind.SEQUENCE else "")
    for each in body.get("options", ()):
        element = each["DefElem"]
        if element["defname"] == "owned_by" and len(parts := words(element.get("arg"))) > 1:
            yield Change(Kind.READ, _of_parts(parts[:-1]))


def _alter_sequence(body: Tree) -> Iterator[Change]:
    return _sequence({**body, "_alters": True})


def _grant(body: Tree) -> Iterator[Change]:
    yield Change(Kind.OTHER, "")
    if body.get("objtype") == "OBJECT_TABLE":
        yield from (Change(Kind.READ, name_of(each["RangeVar"])) for each in body["objects"] if "RangeVar" in each)


def _owner(body: Tree) -> Iterable[Change]:
    kind = body["objectType"]
    return locks_nothing(body) if kind in _FREE_OBJECTS else unknown(f"a {_said(kind).lower()} gets another owner")


def _extension(body: Tree) -> Iterator[Change]:
    yield Change(Kind.EXTENSION, "", name=body.get("extname", ""))


def _alter_extension(body: Tree) -> tuple[Change, ...]:
    return unknown(f"ALTER EXTENSION {body.get('extname', '')}, which runs a script of the extension's")


def _domain(body: Tree) -> Iterator[Change]:
    """T: default, N: drop not null, O: set not null, C: add constraint, X: drop, V: validate."""
    checks = body["subtype"] in ("O", "V") or (
        body["subtype"] == "C" and not body["def"].get("Constraint", {}).get("skip_validation")
    )
    if body["subtype"] in ("O", "C"):
        yield Change(Kind.OTHER, "", type=type_text({"names": body["typeName"]}), not_null=True)
    if not checks:
        yield Change(Kind.OTHER, "")
        return
    yield from unknown(
        f"ALTER DOMAIN {name_in(body['typeName'])}, which reads every table with a column of it", told=True
    )


def _enumeration(body: Tree) -> Iterator[Change]:
    yield Change(Kind.OTHER, "", type=type_text({"names": body["typeName"]}))


def _new_domain(body: Tree) -> Iterator[Change]:
    """What it stands on, whether each value is proven for it, and whether it brings a default."""
    kinds = {each["Constraint"]["contype"] for each in body.get("constraints", ())}
    yield Change(
        Kind.OTHER,
        "",
        type=type_text({"names": body["domainname"]}),
        old_type=type_text(body["typeName"]),
        not_null=bool(kinds & {"CONSTR_CHECK", "CONSTR_NOTNULL"}),
        database_default="CONSTR_DEFAULT" in kinds,
    )


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
    "IndexStmt": _create_index,
    "CreateStmt": _create_table,
    "CreateForeignTableStmt": _create_foreign_table,
    "DropStmt": _drop,
    "RenameStmt": _rename,
    "AlterObjectSchemaStmt": _set_schema,
    "AlterOwnerStmt": _owner,
    "CommentStmt": _comment,
    "TruncateStmt": _truncate,
    "LockStmt": _lock,
    "VacuumStmt": _vacuum,
    "ClusterStmt": _cluster,
    "ReindexStmt": _reindex,
    "RefreshMatViewStmt": _refresh,
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
    "AlterDomainStmt": _domain,
    "CreateDomainStmt": _new_domain,
    "CreateEnumStmt": _enumeration,
    "CreateSchemaStmt": _schema,
    "DropOwnedStmt": _owned,
    "ReassignOwnedStmt": _owned,
    "AlterTableMoveAllStmt": _move_all,
    "CreateSubscriptionStmt": locks_nothing,
}
