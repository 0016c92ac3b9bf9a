"""What somebody who may create objects in a schema of the search path would put there, to be called by others."""

from __future__ import annotations

from typing import Any

import psycopg

from tests.support.databases import Database

# Of each operator: one for every pair of these types that pg_catalog itself has none for. PostgreSQL takes an operator
# whose types fit exactly before one that needs a conversion, wherever it is on the path.
TYPES = [
    *("bool", "bytea", '"char"', "name", "int2", "int4", "int8", "float4", "float8", "numeric", "text", "varchar"),
    *("oid", "regclass", "regtype", "regproc", "regrole", "regnamespace", "xid", "pg_lsn", "inet", "uuid", "json"),
    *("jsonb", "timestamptz", "timestamp", "date", "interval", "int2[]", "int4[]", "int8[]", "text[]", "varchar[]"),
    *("name[]", '"char"[]', "oid[]", "int2vector", "oidvector"),
]
OPERATORS = ["=", "<>", "<", "<=", ">", ">=", "+", "-", "*", "/", "||", "~", "!~", "->", "->>", "@>", "~~"]
HOSTILE_OPERATORS = """
DO $$
DECLARE each record;
BEGIN
    FOR each IN
        SELECT operator, one::regtype AS one, two::regtype AS two
        FROM unnest(%(operators)s::text[]) AS operator,
             unnest(%(types)s::text[]) AS one, unnest(%(types)s::text[]) AS two
        WHERE NOT EXISTS (SELECT FROM pg_operator WHERE oprnamespace = 'pg_catalog'::regnamespace AND oprname = operator
                          AND oprleft = one::regtype AND oprright = two::regtype)
    LOOP
        IF to_regprocedure(format('guest.hostile(%%s, %%s)', each.one, each.two)) IS NULL THEN
            EXECUTE format('CREATE FUNCTION guest.hostile(%%s, %%s) RETURNS bool LANGUAGE plpgsql AS %%L',
                           each.one, each.two, 'BEGIN RAISE ''the guest was called''; END');
        END IF;
        EXECUTE format('CREATE OPERATOR guest.%%s (LEFTARG = %%s, RIGHTARG = %%s, FUNCTION = guest.hostile)',
                       each.operator, each.one, each.two);
    END LOOP;
END $$
"""
# A table named as each relation of the server, and a domain over each of its types.
SHADOWS = """
DO $$
DECLARE each record;
BEGIN
    FOR each IN
        SELECT relname FROM pg_class WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind IN ('r', 'v')
    LOOP
        EXECUTE format('CREATE TABLE guest.%I ()', each.relname);
    END LOOP;
    FOR each IN
        SELECT typname FROM pg_type
        WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype = 'b' AND typname !~ '^_'
    LOOP
        IF to_regtype(format('guest.%I', each.typname)) IS NULL THEN
            EXECUTE format('CREATE DOMAIN guest.%I AS pg_catalog.%I', each.typname, each.typname);
        END IF;
    END LOOP;
END $$
"""
# What a stored statement depends on outside pg_catalog, by what would be called or read.
CAPTURED = """
SELECT pg_describe_object(refclassid, refobjid, refobjsubid)
FROM pg_depend
WHERE classid = 'pg_proc'::regclass AND objid = 'bound'::regproc AND deptype = 'n'
  AND (pg_identify_object(refclassid, refobjid, refobjsubid)).schema = 'guest'
"""


def prepare(database: Database) -> None:
    """Fill the schema ``guest`` with them."""
    with database.connect() as connection:
        connection.execute("CREATE SCHEMA guest")
        hostile = psycopg.ClientCursor(connection).mogrify(HOSTILE_OPERATORS, {"operators": OPERATORS, "types": TYPES})
        connection.execute(hostile)
        connection.execute(SHADOWS)


def captured(connection: psycopg.Connection[Any], statement: str, *, shadowed: bool) -> set[str]:
    """What of the guest's a statement would call or read, as PostgreSQL itself resolves it. It is not run.

    shadowed: with the guest's schema before pg_catalog, which tells all names; else after it, which is where PostgreSQL
    looks by default, and tells operators.
    """
    path = "guest, pg_catalog, public" if shadowed else "guest, public"
    with connection.transaction(force_rollback=True):
        connection.execute(f"SET LOCAL search_path = {path}")
        connection.execute(f"CREATE FUNCTION public.bound() RETURNS SETOF record BEGIN ATOMIC {statement}; END")
        connection.execute("SET LOCAL search_path = pg_catalog, public")
        return {row[0] for row in connection.execute(CAPTURED)}
