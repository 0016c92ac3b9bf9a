-- The columns of a table's primary key, in its order.
--   table: unquoted name
SELECT member.attname::pg_catalog.text AS name
FROM pg_catalog.pg_index AS index
CROSS JOIN pg_catalog.unnest(index.indkey::pg_catalog.int2[]) WITH ORDINALITY AS key (number, position)
JOIN pg_catalog.pg_attribute AS member ON member.attrelid = index.indrelid AND member.attnum = key.number
WHERE index.indrelid = pg_catalog.to_regclass(pg_catalog.quote_ident(%(table)s))::pg_catalog.oid AND index.indisprimary
ORDER BY key.position;
