-- Whether a table has a thing of this name; or is there itself.
--   kind: table, column, index or constraint; table, name: unquoted
SELECT EXISTS (
    SELECT FROM pg_catalog.pg_class AS owner
    WHERE owner.oid = pg_catalog.to_regclass(pg_catalog.quote_ident(%(table)s::pg_catalog.text))::pg_catalog.oid
      AND CASE %(kind)s::pg_catalog.text
          WHEN 'table' THEN true
          WHEN 'column' THEN EXISTS (
              SELECT FROM pg_catalog.pg_attribute AS col
              WHERE col.attrelid = owner.oid AND NOT col.attisdropped
                AND col.attname::pg_catalog.text = %(name)s::pg_catalog.text)
          ELSE EXISTS (
              SELECT FROM pg_catalog.pg_constraint AS con
              WHERE con.conrelid = owner.oid AND con.conname::pg_catalog.text = %(name)s::pg_catalog.text)
            OR EXISTS (
              SELECT FROM pg_catalog.pg_index AS ind
              JOIN pg_catalog.pg_class AS named ON named.oid = ind.indexrelid
              WHERE ind.indrelid = owner.oid AND named.relname::pg_catalog.text = %(name)s::pg_catalog.text)
          END
);
