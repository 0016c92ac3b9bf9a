-- A table's constraint: its oid, whether it is validated, and what it says, without whether it is validated.
--   table, name: unquoted
SELECT oid::bigint AS oid,
       convalidated AS validated,
       pg_catalog.regexp_replace(pg_catalog.pg_get_constraintdef(oid), ' NOT VALID$', '') AS definition
FROM pg_catalog.pg_constraint
WHERE conrelid = pg_catalog.to_regclass(pg_catalog.quote_ident(%(table)s))::pg_catalog.oid AND conname = %(name)s;
