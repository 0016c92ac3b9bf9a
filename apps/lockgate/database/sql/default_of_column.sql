-- The default of a column: the oid of its row, which is another after each SET DEFAULT, and its expression.
--   table, column: unquoted names
SELECT stored.oid, pg_catalog.pg_get_expr(stored.adbin, stored.adrelid) AS expression, namespace.nspname, class.relname,
       attribute.attname
FROM pg_catalog.pg_attrdef AS stored
JOIN pg_catalog.pg_attribute AS attribute ON attribute.attrelid = stored.adrelid AND attribute.attnum = stored.adnum
JOIN pg_catalog.pg_class AS class ON class.oid = stored.adrelid
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
WHERE stored.adrelid = pg_catalog.to_regclass(pg_catalog.quote_ident(%(table)s))::pg_catalog.oid
  AND attribute.attname = %(column)s;
