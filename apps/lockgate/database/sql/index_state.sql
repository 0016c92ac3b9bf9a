-- Whether an index of this name is there, in the schema of the table it is meant for; on which table, and whether it can
-- be used. An index is made in its table's schema, wherever else the search path finds one of that name.
--   name, table: unquoted
SELECT owner.relname AS "table",
       index.indisvalid AND index.indisready AND index.indislive AS valid,
       namespace.nspname AS "schema"
FROM pg_class AS meant
JOIN pg_class AS found ON found.relnamespace = meant.relnamespace AND found.relname = %(name)s
JOIN pg_index AS index ON index.indexrelid = found.oid
JOIN pg_class AS owner ON owner.oid = index.indrelid
JOIN pg_namespace AS namespace ON namespace.oid = meant.relnamespace
WHERE meant.oid = to_regclass(quote_ident(%(table)s));
