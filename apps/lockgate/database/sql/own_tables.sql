-- Which of some tables this role owns, and so may lock as it likes.
--   names: text[], unquoted table names
SELECT class.relname
FROM unnest(%(names)s::text[]) AS wanted (name)
JOIN pg_class AS class ON class.oid = to_regclass(quote_ident(wanted.name))
WHERE pg_has_role(class.relowner, 'USAGE') AND class.relkind IN ('r', 'p');
