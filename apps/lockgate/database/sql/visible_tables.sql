-- The tables that an unqualified name finds.
SELECT relname FROM pg_class WHERE relkind IN ('r', 'p', 'f') AND pg_table_is_visible(oid);
