-- The columns of a table's primary key, in its order.
--   table: unquoted name
SELECT member.attname::text AS name
FROM pg_index AS index
CROSS JOIN unnest(index.indkey::int2[]) WITH ORDINALITY AS key (number, position)
JOIN pg_attribute AS member ON member.attrelid = index.indrelid AND member.attnum = key.number
WHERE index.indrelid = to_regclass(quote_ident(%(table)s)) AND index.indisprimary
ORDER BY key.position;
