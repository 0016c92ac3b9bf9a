-- A table's constraint: its oid, whether it is validated, and what it says, without whether it is validated.
--   table, name: unquoted
SELECT oid::bigint AS oid,
       convalidated AS validated,
       regexp_replace(pg_get_constraintdef(oid), ' NOT VALID$', '') AS definition
FROM pg_constraint
WHERE conrelid = to_regclass(quote_ident(%(table)s)) AND conname = %(name)s;
