-- What a constraint or a unique index demands of its table's rows.
--   equals: of a foreign key, the operators that PostgreSQL itself compares with
--   name: of the constraint, or of the index where there is none;  table: unquoted
SELECT con.contype::pg_catalog.text AS kind,
       pg_catalog.pg_get_expr(con.conbin, con.conrelid) AS condition,
       (SELECT pg_catalog.array_agg(member.attname::pg_catalog.text ORDER BY key.position)
        FROM pg_catalog.unnest(con.conkey) WITH ORDINALITY AS key (number, position)
        JOIN pg_catalog.pg_attribute AS member ON member.attrelid = con.conrelid
                                            AND member.attnum = key.number) AS columns,
       con.confrelid::pg_catalog.regclass::pg_catalog.text AS target,
       (SELECT pg_catalog.array_agg(member.attname::pg_catalog.text ORDER BY key.position)
        FROM pg_catalog.unnest(con.confkey) WITH ORDINALITY AS key (number, position)
        JOIN pg_catalog.pg_attribute AS member ON member.attrelid = con.confrelid
                                            AND member.attnum = key.number) AS target_columns,
       (SELECT pg_catalog.array_agg(
                   pg_catalog.concat('OPERATOR(', pg_catalog.quote_ident(space.nspname), '.', operator.oprname, ')')
                   ORDER BY key.position)
        FROM pg_catalog.unnest(con.conpfeqop) WITH ORDINALITY AS key (number, position)
        JOIN pg_catalog.pg_operator AS operator ON operator.oid = key.number
        JOIN pg_catalog.pg_namespace AS space ON space.oid = operator.oprnamespace) AS equals,
       NULL::pg_catalog.text[] AS keys,
       false AS nulls_equal
FROM pg_catalog.pg_constraint AS con
WHERE con.conrelid = pg_catalog.to_regclass(pg_catalog.quote_ident(%(table)s))::pg_catalog.oid
  AND con.conname = %(name)s
UNION ALL
SELECT 'u',
       pg_catalog.pg_get_expr(index.indpred, index.indrelid),
       NULL, NULL, NULL, NULL,
       (SELECT pg_catalog.array_agg(pg_catalog.pg_get_indexdef(index.indexrelid, position, false) ORDER BY position)
        FROM pg_catalog.generate_series(1, index.indnkeyatts) AS position),
       coalesce((pg_catalog.to_jsonb(index) ->> 'indnullsnotdistinct'::pg_catalog.text)::boolean, false)
FROM pg_catalog.pg_index AS index
WHERE index.indexrelid = pg_catalog.to_regclass(pg_catalog.quote_ident(%(name)s))::pg_catalog.oid
LIMIT 1;
