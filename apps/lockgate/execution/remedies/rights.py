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


class Lack(NamedTuple):
    """owner: who can give it."""

    why: str
    owner: str
    remedy: str


def remedy(refused: Refused) -> Remedy:
    me = relations.this_role(refused.connection)
    statements = refused.statements or [SqlStatement(("CREATE", "TABLE", f'"{HISTORY}"'))]
    lacks = list(dict.fromkeys(lack for each in statements for lack in _lacks(refused, each, me)))
    if not lacks:
        return Remedy(
            f'the role is "{me.role}"; which right it lacks could not be determined',
            f'let the owner of what the statement names give role "{me.role}" what it needs (psql: \\dp, \\dn+), '
            "and run again",
        )
    lines = [f"as {each.owner} or a superuser:  {each.remedy}" for each in lacks]
    return Remedy("; ".join(each.why for each in lacks), "\n".join([*lines, "then run again"]))


def _lacks(refused: Refused, statement: SqlStatement, me: ThisRole) -> Iterator[Lack]:
    names = statement.identifiers()
    first, *rest = (*statement.tokens, "")
    found = relations.named(refused.connection, names)
    schemas = relations.schemas(refused.connection, names)
    if first == "CREATE" and rest[0] in _OF_THE_DATABASE:
        yield from _of_database(me)
    elif first in _OWNERS or (first == "CREATE" and rest[0] in _OWNERS_TO_CREATE):
        yield from _of_owner(statement, found, me)
        yield from (_of_schema(each, me) for each in schemas if first == "CREATE" and each.current and each.lacking)
    elif first == "CREATE":
        made_in = _made_in(statement, schemas)
        schemas = [each for each in schemas if each not in made_in]
        yield from (_of_schema(each, me) for each in made_in if each.lacking)
        yield from _of_references(statement, found, me)
    elif first in _RIGHTS or first in _READS:
        yield from _of_rows(statement, names, found, me)
    yield from (_of_schema(each, me, "USAGE") for each in schemas if "USAGE" in each.lacking and not each.current)


def _of_owner(statement: SqlStatement, found: list[Relation], me: ThisRole) -> Iterator[Lack]:
    """Those that the statement changes; where it cannot be read, all that it names."""
    changes = sql_changes.known(statement.text)
    changed = {bare(name) for each in changes for name in (each.table, each.old_name)} - {""}
    changed |= {bare(each.name) for each in changes if not each.table}
    for each in found:
        if not each.owned and (not changed or each.name in changed):
            kind = "TABLE" if each.kind in ("table", "index") else each.kind.upper()
            owned = each.table if each.kind == "index" and each.table else each.name
            place = relations.quoted(each.schema, owned)
            yield Lack(
                f'{each.quoted} belongs to role "{each.owner}", whose rights "{me.role}" does not have: no GRANT on it '
                "is enough",
                f'"{each.owner}"',
                f"ALTER {kind} {place} OWNER TO {relations.quoted(me.role)};  "
                f"or have its rights:  {_joining(each, me)}",
            )
    yield from _of_references(statement, found, me)


def _joining(found: Relation, me: ThisRole) -> str:
    """What gives this role the rights of an owner. A member has them once it inherits: since 16 by the grant."""
    owner, role = relations.quoted(found.owner), relations.quoted(me.role)
    if not found.member:
        return f"GRANT {owner} TO {role};"
    return f"GRANT {owner} TO {role} WITH INHERIT TRUE;" if me.version >= 160000 else f"ALTER ROLE {role} INHERIT;"


def _of_references(statement: SqlStatement, found: list[Relation], me: ThisRole) -> Iterator[Lack]:
    at = [place for place, part in enumerate(statement.tokens) if part == "REFERENCES"]
    targets = {name for place in at for name in SqlStatement(statement.tokens[place + 1 : place + 4]).identifiers()}
    for each in found:
        if each.name in targets and "REFERENCES" in each.lacking:
            yield _of_relation(each, ["REFERENCES"], me)


def _of_rows(statement: SqlStatement, names: list[str], found: list[Relation], me: ThisRole) -> Iterator[Lack]:
    """What is changed stands first; of that, rows are read as well where there is a condition or an expression."""
    changed = _RIGHTS.get(statement.tokens[0], set())
    looks = {"UPDATE", "MERGE", "WHERE", "RETURNING", "CONFLICT", "USING"} & set(statement.tokens)
    for number, each in enumerate(sorted(found, key=lambda each: names.index(each.name))):
        asked = changed if number == 0 else set()
        asked = asked | {"SELECT"} if looks or not asked else asked
        needed = [right for right in each.lacking if right in asked]
        if needed:
            yield _of_relation(each, needed, me)


def _of_relation(found: Relation, rights: list[str], me: ThisRole) -> Lack:
    given = ", ".join(rights)
    return Lack(
        f'role "{me.role}" lacks {given} on {found.quoted}',
        f'"{found.owner}"',
        f"GRANT {given} ON {found.quoted} TO {relations.quoted(me.role)};",
    )


def _made_in(statement: SqlStatement, schemas: list[Schema]) -> list[Schema]:
    """The schema that the new thing is made in: the one that its name says, or the current one."""
    dot = statement.tokens.index(".") if "." in statement.tokens else 0
    before = SqlStatement(statement.tokens[dot - 1 : dot]).identifiers() if dot else []
    said = [each for each in schemas if each.name in before]
    return said or [each for each in schemas if each.current]


def _of_schema(found: Schema, me: ThisRole, right: str = "") -> Lack:
    given, place = right or ", ".join(found.lacking), relations.quoted(found.name)
    return Lack(
        f'role "{me.role}" lacks {given} on schema {place}',
        f'"{found.owner}"',
        f"GRANT {given} ON SCHEMA {place} TO {relations.quoted(me.role)};",
    )


def _of_database(me: ThisRole) -> Iterator[Lack]:
    if not me.creates:
        place = relations.quoted(me.database)
        yield Lack(
            f'role "{me.role}" lacks CREATE on database {place}',
            f'"{me.owner}"',
            f"GRANT CREATE ON DATABASE {place} TO {relations.quoted(me.role)};",
        )
