-- Whether a table's constraint is there, and validated.
--   table, name: unquoted
SELECT convalidated
FROM pg_constraint
WHERE conrelid = to_regclass(quote_ident(%(table)s)) AND conname = %(name)s;
