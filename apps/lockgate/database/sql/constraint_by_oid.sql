-- Where a table's constraint is now, whatever its name and its table's have become.
--   oid: of the constraint
SELECT namespace.nspname AS "schema", class.relname AS "table", stored.conname AS name
FROM pg_catalog.pg_constraint AS stored
JOIN pg_catalog.pg_class AS class ON class.oid = stored.conrelid
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
WHERE stored.oid = %(oid)s::bigint::pg_catalog.oid;
