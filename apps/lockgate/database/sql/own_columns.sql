-- The columns of every table with rows of its own, in order.
SELECT nspname, relname, attname, typcategory = 'D' AS moment
FROM pg_catalog.pg_class
JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace
JOIN pg_catalog.pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
JOIN pg_catalog.pg_type ON pg_type.oid = atttypid
WHERE relkind = 'r' AND nspname <> 'information_schema' AND nspname !~ '^pg_'::pg_catalog.text
ORDER BY nspname, relname, attnum;
