-- The tables that an unqualified name finds, but the server's own.
SELECT relname FROM pg_class WHERE relkind IN ('r', 'p', 'f') AND relnamespace <> 'pg_catalog'::regnamespace AND pg_table_is_visible(oid);
