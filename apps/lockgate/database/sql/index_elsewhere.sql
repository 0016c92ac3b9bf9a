-- An index of this name, whatever its table, where the table that it was meant for is not there: its schema and its table.
--   name, table: unquoted
SELECT namespace.nspname AS "schema", owner.relname AS "table"
FROM pg_catalog.pg_class AS found
JOIN pg_catalog.pg_index AS index ON index.indexrelid = found.oid
JOIN pg_catalog.pg_class AS owner ON owner.oid = index.indrelid
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = owner.relnamespace
WHERE found.relname = %(name)s AND pg_catalog.to_regclass(pg_catalog.quote_ident(%(table)s)) IS NULL
ORDER BY 1, 2
LIMIT 1;
