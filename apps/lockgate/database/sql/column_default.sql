-- A column, and the expression of its default, if any.
--   table, column: unquoted names
SELECT pg_get_expr(stored.adbin, stored.adrelid) AS expression
FROM pg_attribute AS attribute
LEFT JOIN pg_attrdef AS stored ON stored.adrelid = attribute.attrelid AND stored.adnum = attribute.attnum
WHERE attribute.attrelid = to_regclass(quote_ident(%(table)s))
  AND attribute.attname = %(column)s
  AND NOT attribute.attisdropped;
