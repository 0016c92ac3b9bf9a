-- The extensions of this database, but the language that every database has: the version of each,
-- and the schema that it is in.
SELECT extname AS name, extversion AS version, nspname AS schema
FROM pg_catalog.pg_extension
JOIN pg_catalog.pg_namespace ON pg_namespace.oid = extnamespace
WHERE extname <> 'plpgsql'
ORDER BY pg_extension.oid;
