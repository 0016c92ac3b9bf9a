-- Where an index is now, whatever its name and its table's have become.
--   oid: of the index
SELECT namespace.nspname AS "schema", class.relname AS name
FROM pg_catalog.pg_class AS class
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
WHERE class.oid = %(oid)s::bigint::pg_catalog.oid AND class.relkind IN ('i', 'I');
