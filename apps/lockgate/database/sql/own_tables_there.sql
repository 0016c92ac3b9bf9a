-- Whether all of some tables are there, as an unqualified name would find them.
--   names: text[], unquoted table names
SELECT pg_catalog.bool_and(pg_catalog.to_regclass(pg_catalog.quote_ident(wanted.name)) IS NOT NULL) AS are_there
FROM pg_catalog.unnest(%(names)s::pg_catalog.text[]) AS wanted (name);
