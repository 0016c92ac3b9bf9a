-- The default that has a row of this oid, on whatever table and column it is by now.
SELECT stored.oid, pg_catalog.pg_get_expr(stored.adbin, stored.adrelid) AS expression, namespace.nspname, class.relname,
       attribute.attname
FROM pg_catalog.pg_attrdef AS stored
JOIN pg_catalog.pg_attribute AS attribute ON attribute.attrelid = stored.adrelid AND attribute.attnum = stored.adnum
JOIN pg_catalog.pg_class AS class ON class.oid = stored.adrelid
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
WHERE stored.oid = %(oid)s::pg_catalog.oid;
