-- Whether an index of this name is there, on which table, and whether it can be used.
--   name: unquoted
SELECT owner.relname AS "table",
       index.indisvalid AND index.indisready AND index.indislive AS valid
FROM pg_index AS index
JOIN pg_class AS owner ON owner.oid = index.indrelid
WHERE index.indexrelid = to_regclass(quote_ident(%(name)s));
