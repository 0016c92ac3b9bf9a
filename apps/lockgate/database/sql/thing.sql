-- What a table's thing of this name is known by, or the table itself: one number, which another one of the name does not
-- have; NULL where there is none.
--   kind: table, column, index or constraint   table: quoted as Django does, with its schema if it says one
--   name: unquoted
--   For a column, which has no oid: its table's, and its number in that, which is not given again.
SELECT CASE %(kind)s::pg_catalog.text
       WHEN 'table' THEN owner.oid::bigint
       WHEN 'column' THEN (
           SELECT (owner.oid::bigint << 16) + col.attnum
           FROM pg_catalog.pg_attribute AS col
           WHERE col.attrelid = owner.oid AND NOT col.attisdropped
             AND col.attname::pg_catalog.text = %(name)s::pg_catalog.text)
       ELSE coalesce((
           SELECT con.oid::bigint
           FROM pg_catalog.pg_constraint AS con
           WHERE con.conrelid = owner.oid AND con.conname::pg_catalog.text = %(name)s::pg_catalog.text), (
           SELECT named.oid::bigint
           FROM pg_catalog.pg_index AS ind
           JOIN pg_catalog.pg_class AS named ON named.oid = ind.indexrelid
           WHERE ind.indrelid = owner.oid AND named.relname::pg_catalog.text = %(name)s::pg_catalog.text))
       END
FROM pg_catalog.pg_class AS owner
WHERE owner.oid = pg_catalog.to_regclass(%(table)s::pg_catalog.text)::pg_catalog.oid;
