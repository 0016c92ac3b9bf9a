-- What a constraint or a unique index demands of its table's rows.
--   name: of the constraint, or of the index where there is none;  table: unquoted
SELECT con.contype::text                                                AS kind,
       pg_get_expr(con.conbin, con.conrelid)                            AS condition,
       (SELECT array_agg(member.attname::text ORDER BY key.position)
        FROM unnest(con.conkey) WITH ORDINALITY AS key (number, position)
        JOIN pg_attribute AS member ON member.attrelid = con.conrelid AND member.attnum = key.number)  AS columns,
       con.confrelid::regclass::text                                    AS target,
       (SELECT array_agg(member.attname::text ORDER BY key.position)
        FROM unnest(con.confkey) WITH ORDINALITY AS key (number, position)
        JOIN pg_attribute AS member ON member.attrelid = con.confrelid AND member.attnum = key.number) AS target_columns,
       NULL::text[]                                                     AS keys,
       false                                                            AS nulls_equal
FROM pg_constraint AS con
WHERE con.conrelid = to_regclass(quote_ident(%(table)s)) AND con.conname = %(name)s
UNION ALL
SELECT 'u',
       pg_get_expr(index.indpred, index.indrelid),
       NULL, NULL, NULL,
       (SELECT array_agg(pg_get_indexdef(index.indexrelid, position, false) ORDER BY position)
        FROM generate_series(1, index.indnkeyatts) AS position),
       coalesce((to_jsonb(index) ->> 'indnullsnotdistinct')::boolean, false)
FROM pg_index AS index
WHERE index.indexrelid = to_regclass(quote_ident(%(name)s))
LIMIT 1;
