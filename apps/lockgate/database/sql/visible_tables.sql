-- The tables that an unqualified name finds, but the server's own.
SELECT relname
FROM pg_catalog.pg_class
WHERE relkind IN ('r', 'p', 'f') AND pg_catalog.pg_table_is_visible(oid)
  AND relnamespace <> 'pg_catalog'::pg_catalog.regnamespace::pg_catalog.oid;
