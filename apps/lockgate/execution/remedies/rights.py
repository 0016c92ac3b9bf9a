"""42501: which right this role lacks, on what, and who can give it; or whose it is, where only its owner will do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from lockgate.database import relations
from lockgate.database.relations import Relation, Schema, ThisRole
from lockgate.database.rights import HISTORY
from lockgate.execution.remedies.remedy import Refused, Remedy
from lockgate.planning import sql_changes
from lockgate.planning.identifiers import bare
from lockgate.planning.sql_statements import SqlStatement

# What is asked of a role for each command, on what it changes; on what it only reads, it is SELECT.
_RIGHTS = {
    "INSERT": {"INSERT"},
    "UPDATE": {"UPDATE"},
    "DELETE": {"DELETE"},
    "MERGE": {"INSERT", "UPDATE", "DELETE"},
    "TRUNCATE": {"TRUNCATE"},
    "COPY": {"INSERT", "SELECT"},
}
_READS = ("SELECT", "WITH", "TABLE", "DECLARE", "LOCK")
_OWNERS = ("ALTER", "DROP", "COMMENT", "REINDEX", "CLUSTER", "VACUUM", "ANALYZE", "REFRESH", "SECURITY")
_OWNERS_TO_CREATE = ("INDEX", "UNIQUE", "RULE", "POLICY", "STATISTICS")
_OF_THE_DATABASE = ("SCHEMA", "EXTENSION", "PUBLICATION")


class MissingRight(NamedTuple):
    """owner: who can give it."""

    why: str
    owner: str
    remedy: str


def remedy(refused: Refused) -> Remedy:
    me = relations.this_role(refused.connection)
    statements = refused.statements or [SqlStatement(("CREATE", "TABLE", f'"{HISTORY}"'))]
    lacks = list(dict.fromkeys(lack for statement in statements for lack in _lacks(refused, statement, me)))
    if not lacks:
        return Remedy(
            f'the role is "{me.role}"; which right it lacks could not be determined',
            f'let the owner of what the statement names give role "{me.role}" what it needs (psql: \\dp, \\dn+), '
            "and run again",
        )
    lines = [f"as {lack.owner} or a superuser:  {lack.remedy}" for lack in lacks]
    return Remedy("; ".join(lack.why for lack in lacks), "\n".join([*lines, "then run again"]))


def _lacks(refused: Refused, statement: SqlStatement, me: ThisRole) -> Iterator[MissingRight]:
    names = statement.identifiers()
    first, *rest = (*statement.tokens, "")
    named = relations.named(refused.connection, names)
    schemas = relations.schemas(refused.connection, names)
    if first == "CREATE" and rest[0] in _OF_THE_DATABASE:
        yield from _of_database(me)
    elif first in _OWNERS or (first == "CREATE" and rest[0] in _OWNERS_TO_CREATE):
        yield from _of_owner(statement, named, me)
        yield from (
            _of_schema(schema, me) for schema in schemas if first == "CREATE" and schema.current and schema.lacking
        )
    elif first == "CREATE":
        made_in = _made_in(statement, schemas)
        schemas = [schema for schema in schemas if schema not in made_in]
        yield from (_of_schema(schema, me) for schema in made_in if schema.lacking)
        yield from _of_references(statement, named, me)
    elif first in _RIGHTS or first in _READS:
        yield from _of_rows(statement, names, named, me)
    yield from (
        _of_schema(schema, me, "USAGE") for schema in schemas if "USAGE" in schema.lacking and not schema.current
    )


def _of_owner(statement: SqlStatement, named: list[Relation], me: ThisRole) -> Iterator[MissingRight]:
    """Those that the statement changes; where it cannot be read, all that it names."""
    changes = sql_changes.known(statement.text)
    changed = {bare(name) for each in changes for name in (each.table, each.old_name)} - {""}
    changed |= {bare(each.name) for each in changes if not each.table}
    for each in named:
        if not each.owned and (not changed or each.name in changed):
            kind = "TABLE" if each.kind in ("table", "index") else each.kind.upper()
            owned = each.table if each.kind == "index" and each.table else each.name
            place = relations.quoted(each.schema, owned)
            yield MissingRight(
                f'{each.quoted} belongs to role "{each.owner}", whose rights "{me.role}" does not have: no GRANT on it '
                "is enough",
                f'"{each.owner}"',
                f"ALTER {kind} {place} OWNER TO {relations.quoted(me.role)};  "
                f"or have its rights:  {_joining(each, me)}",
            )
    yield from _of_references(statement, named, me)


def _joining(relation: Relation, me: ThisRole) -> str:
    """What gives this role the rights of an owner. A member has them once it inherits: since 16 by the grant."""
    owner, role = relations.quoted(relation.owner), relations.quoted(me.role)
    if not relation.member:
        return f"GRANT {owner} TO {role};"
    return f"GRANT {owner} TO {role} WITH INHERIT TRUE;" if me.version >= 160000 else f"ALTER ROLE {role} INHERIT;"


def _of_references(statement: SqlStatement, named: list[Relation], me: ThisRole) -> Iterator[MissingRight]:
    at = [place for place, part in enumerate(statement.tokens) if part == "REFERENCES"]
    targets = {name for place in at for name in SqlStatement(statement.tokens[place + 1 : place + 4]).identifiers()}
    for relation in named:
        if relation.name in targets and "REFERENCES" in relation.lacking:
            yield _of_relation(relation, ["REFERENCES"], me)


def _of_rows(statement: SqlStatement, names: list[str], named: list[Relation], me: ThisRole) -> Iterator[MissingRight]:
    """What is changed stands first; of that, rows are read as well where there is a condition or an expression."""
    changed = _RIGHTS.get(statement.tokens[0], set())
    looks = {"UPDATE", "MERGE", "WHERE", "RETURNING", "CONFLICT", "USING"} & set(statement.tokens)
    for number, relation in enumerate(sorted(named, key=lambda relation: names.index(relation.name))):
        asked = changed if number == 0 else set()
        asked = asked | {"SELECT"} if looks or not asked else asked
        needed = [right for right in relation.lacking if right in asked]
        if needed:
            yield _of_relation(relation, needed, me)


def _of_relation(relation: Relation, rights: list[str], me: ThisRole) -> MissingRight:
    granted = ", ".join(rights)
    return MissingRight(
        f'role "{me.role}" lacks {granted} on {relation.quoted}',
        f'"{relation.owner}"',
        f"GRANT {granted} ON {relation.quoted} TO {relations.quoted(me.role)};",
    )


def _made_in(statement: SqlStatement, schemas: list[Schema]) -> list[Schema]:
    """The schema that the new thing is made in: the one that its name says, or the current one."""
    dot = statement.tokens.index(".") if "." in statement.tokens else 0
    before = SqlStatement(statement.tokens[dot - 1 : dot]).identifiers() if dot else []
    said = [schema for schema in schemas if schema.name in before]
    return said or [schema for schema in schemas if schema.current]


def _of_schema(schema: Schema, me: ThisRole, right: str = "") -> MissingRight:
    granted, place = right or ", ".join(schema.lacking), relations.quoted(schema.name)
    return MissingRight(
        f'role "{me.role}" lacks {granted} on schema {place}',
        f'"{schema.owner}"',
        f"GRANT {granted} ON SCHEMA {place} TO {relations.quoted(me.role)};",
    )


def _of_database(me: ThisRole) -> Iterator[MissingRight]:
    if not me.creates:
        place = relations.quoted(me.database)
        yield MissingRight(
            f'role "{me.role}" lacks CREATE on database {place}',
            f'"{me.owner}"',
            f"GRANT CREATE ON DATABASE {place} TO {relations.quoted(me.role)};",
        )
