-- Whether a name is taken in a table's schema: by a relation; by a constraint of another table.
--   name, table: unquoted
SELECT EXISTS (SELECT FROM pg_catalog.pg_class AS other
               WHERE other.relnamespace = meant.relnamespace AND other.relname = %(name)s) AS by_relation,
       EXISTS (SELECT FROM pg_catalog.pg_constraint AS other
               WHERE other.connamespace = meant.relnamespace AND other.conname = %(name)s
                 AND other.conrelid <> meant.oid) AS by_constraint
FROM pg_catalog.pg_class AS meant
WHERE meant.oid = pg_catalog.to_regclass(pg_catalog.quote_ident(%(table)s))::pg_catalog.oid;
