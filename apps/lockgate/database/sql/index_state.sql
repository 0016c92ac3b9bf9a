-- Whether an index of this name is there, in the schema of the table it is meant for; on which table, whether it can be
-- used, and what it is, as one text that is the same for two indexes exactly if they are. An index is made in its table's
-- schema, wherever else the search path finds one of that name.
--   name, table: unquoted
SELECT owner.relname AS "table",
       index.indisvalid AND index.indisready AND index.indislive AS valid,
       namespace.nspname AS "schema",
       found.oid::bigint AS oid,
       pg_catalog.concat_ws(' | ', method.amname, index.indisunique,
                 pg_catalog.to_jsonb(index) ->> 'indnullsnotdistinct'::pg_catalog.text, index.indimmediate, index.indnkeyatts,
                 index.indclass, index.indcollation, index.indoption, found.reloptions::pg_catalog.text,
                 (SELECT pg_catalog.string_agg(pg_catalog.pg_get_indexdef(found.oid, place, false), ', ' ORDER BY place)
                  FROM pg_catalog.generate_series(1, index.indnatts::integer) AS place),
                 'WHERE ' || pg_catalog.pg_get_expr(index.indpred, index.indrelid)) AS definition
FROM pg_catalog.pg_class AS meant
JOIN pg_catalog.pg_class AS found ON found.relnamespace = meant.relnamespace AND found.relname = %(name)s
JOIN pg_catalog.pg_index AS index ON index.indexrelid = found.oid
JOIN pg_catalog.pg_am AS method ON method.oid = found.relam
JOIN pg_catalog.pg_class AS owner ON owner.oid = index.indrelid
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = meant.relnamespace
WHERE meant.oid = pg_catalog.to_regclass(pg_catalog.quote_ident(%(table)s))::pg_catalog.oid;
