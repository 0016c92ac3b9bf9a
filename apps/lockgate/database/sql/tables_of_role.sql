-- Which of some tables this role owns, and so may lock as it likes.
--   names: text[], unquoted table names
SELECT class.relname
FROM pg_catalog.unnest(%(names)s::pg_catalog.text[]) AS wanted (name)
JOIN pg_catalog.pg_class AS class
  ON class.oid = pg_catalog.to_regclass(pg_catalog.quote_ident(wanted.name))::pg_catalog.oid
WHERE pg_catalog.pg_has_role(class.relowner, 'USAGE') AND class.relkind IN ('r', 'p');
