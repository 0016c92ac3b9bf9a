-- Whether what thing.sql has told is there still, whatever its name and its table's have become.
--   kind: table, column, index or constraint; known: the number
SELECT CASE %(kind)s::pg_catalog.text
       WHEN 'column' THEN EXISTS (
           SELECT FROM pg_catalog.pg_attribute
           WHERE (attrelid::bigint << 16) + attnum = %(known)s::bigint AND NOT attisdropped)
       WHEN 'table' THEN EXISTS (
           SELECT FROM pg_catalog.pg_class WHERE oid::bigint = %(known)s::bigint AND relkind IN ('r', 'p'))
       -- What a model calls a constraint is a unique index, where it has a condition.
       ELSE EXISTS (SELECT FROM pg_catalog.pg_class WHERE oid::bigint = %(known)s::bigint AND relkind IN ('i', 'I'))
         OR (%(kind)s::pg_catalog.text = 'constraint'
             AND EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE oid::bigint = %(known)s::bigint))
       END;
