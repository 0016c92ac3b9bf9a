-- The columns of some tables as they are, found as an unqualified name would find them; one row with a NULL for none.
--   names: text[], unquoted table names
--   type: without its length   filled: whether a row that says nothing of it gets a value
SELECT class.relname::pg_catalog.text AS name,
       class.relkind IN ('r', 'p') AS is_table,
       attribute.attname::pg_catalog.text AS column,
       pg_catalog.format_type(attribute.atttypid, NULL) AS type,
       attribute.attnotnull AS not_null,
       attribute.atthasdef OR attribute.attidentity <> ''::pg_catalog."char" AS filled
FROM pg_catalog.unnest(%(names)s::pg_catalog.text[]) AS wanted (name)
JOIN pg_catalog.pg_class AS class ON class.oid = pg_catalog.to_regclass(pg_catalog.quote_ident(wanted.name))::pg_catalog.oid
LEFT JOIN pg_catalog.pg_attribute AS attribute
       ON attribute.attrelid = class.oid AND attribute.attnum > 0 AND NOT attribute.attisdropped;
