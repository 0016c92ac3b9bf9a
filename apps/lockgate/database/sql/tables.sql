-- Everything a plan needs to know of some tables, one row each, found as an unqualified name would find them.
--   names: text[], unquoted table names;  age: seconds from which on a session that holds a lock is of interest;
--   measure: whether sizes are measured, which takes ACCESS SHARE locks, or estimated, which takes none
SELECT wanted.name,
       class.relkind::text                                        AS kind,
       CASE WHEN NOT %(measure)s::boolean THEN current_setting('block_size')::int * (
           SELECT coalesce(sum(greatest(part.relpages, 0)), 0) FROM pg_class AS part
           WHERE part.oid IN (class.oid, class.reltoastrelid)
              OR part.oid IN (SELECT indexrelid FROM pg_index WHERE indrelid IN (class.oid, class.reltoastrelid)))
       WHEN class.relkind = 'p' THEN coalesce((
           SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree(class.oid)), 0)
       ELSE pg_total_relation_size(class.oid) END::bigint         AS size,
       -- As the planner estimates: as dense as when it was analyzed last, in the pages there are now; NULL before that.
       CASE WHEN class.reltuples < 0 THEN NULL
            WHEN class.relkind = 'p' OR NOT %(measure)s::boolean THEN class.reltuples
            WHEN class.relpages > 0 THEN class.reltuples / class.relpages
                 * (pg_relation_size(class.oid) / current_setting('block_size')::int)
            WHEN pg_relation_size(class.oid) = 0 THEN 0
       END::bigint                                                AS rows,
       coalesce((
           SELECT jsonb_agg(jsonb_build_object(
               'name', attribute.attname,
               'type', format_type(attribute.atttypid, attribute.atttypmod),
               'not_null', attribute.attnotnull,
               'generated', attribute.attgenerated <> '',
               'identity', attribute.attidentity <> '',
               'sequence', (SELECT relname FROM pg_class WHERE oid =
                   pg_get_serial_sequence(class.oid::regclass::text, attribute.attname)::regclass),
               'sequence_used', coalesce((
                   SELECT CASE WHEN %(measure)s::boolean AND has_sequence_privilege(sequence.oid, 'SELECT, USAGE')
                               THEN pg_sequence_last_value(sequence.oid) END::float8
                        / CASE attribute.atttypid
                              WHEN 'int2'::regtype THEN 32767 WHEN 'int4'::regtype THEN 2147483647 END
                   FROM pg_class AS sequence
                   WHERE sequence.oid = pg_get_serial_sequence(class.oid::regclass::text, attribute.attname)::regclass
               ), 0)) ORDER BY attribute.attnum)
           FROM pg_attribute AS attribute
           WHERE attribute.attrelid = class.oid AND attribute.attnum > 0 AND NOT attribute.attisdropped
       ), '[]')                                                   AS columns,
       coalesce((
           SELECT jsonb_agg(jsonb_build_object(
               'name', index_class.relname,
               'columns', (SELECT jsonb_agg(member.attname ORDER BY key.position)
                           FROM unnest(index.indkey::int2[]) WITH ORDINALITY AS key (number, position)
                           LEFT JOIN pg_attribute AS member
                                  ON member.attrelid = class.oid AND member.attnum = key.number AND key.number > 0
                           WHERE key.position <= index.indnkeyatts),
               'included', (SELECT coalesce(jsonb_agg(member.attname ORDER BY key.position), '[]')
                            FROM unnest(index.indkey::int2[]) WITH ORDINALITY AS key (number, position)
                            JOIN pg_attribute AS member
                              ON member.attrelid = class.oid AND member.attnum = key.number
                            WHERE key.position > index.indnkeyatts),
               'options', index_class.reloptions IS NOT NULL,
               'unique', index.indisunique,
               'valid', index.indisvalid,
               'primary', index.indisprimary,
               'partial', index.indpred IS NOT NULL,
               'method', method.amname,
               'size', CASE WHEN %(measure)s::boolean THEN pg_relation_size(index_class.oid)
                            ELSE index_class.relpages * current_setting('block_size')::bigint END,
               'uses', coalesce((
                   SELECT jsonb_agg(member.attname ORDER BY member.attnum)
                   FROM pg_attribute AS member
                   WHERE member.attrelid = class.oid AND member.attnum > 0 AND NOT member.attisdropped
                     AND (member.attnum = ANY (index.indkey) OR EXISTS (
                         SELECT FROM pg_depend AS on_column
                         WHERE on_column.classid = 'pg_class'::regclass AND on_column.objid = index.indexrelid
                           AND on_column.refclassid = 'pg_class'::regclass AND on_column.refobjid = class.oid
                           AND on_column.refobjsubid = member.attnum))), '[]')))
           FROM pg_index AS index
           JOIN pg_class AS index_class ON index_class.oid = index.indexrelid
           JOIN pg_am AS method ON method.oid = index_class.relam
           WHERE index.indrelid = class.oid
       ), '[]')                                                   AS indexes,
       coalesce((
           SELECT jsonb_agg(jsonb_build_object(
               'name', con.conname,
               'kind', con.contype::text,
               'columns', coalesce((SELECT jsonb_agg(member.attname ORDER BY key.position)
                           FROM unnest(con.conkey) WITH ORDINALITY AS key (number, position)
                           JOIN pg_attribute AS member ON member.attrelid = class.oid AND member.attnum = key.number),
                           '[]'),
               'definition', pg_get_constraintdef(con.oid),
               'validated', con.convalidated,
               'references', (SELECT relname FROM pg_class WHERE oid = nullif(con.confrelid, 0))))
           FROM pg_constraint AS con
           WHERE con.conrelid = class.oid
             -- A key to a partitioned table has rows for its partitions too, which are no constraints of their own.
             AND NOT (con.contype = 'f' AND con.conparentid <> 0 AND NOT class.relispartition)
       ), '[]')                                                   AS constraints,
       coalesce((
           SELECT jsonb_agg(DISTINCT referrer.relname)
           FROM pg_constraint AS con
           JOIN pg_class AS referrer ON referrer.oid = con.conrelid
           WHERE con.confrelid = class.oid AND con.contype = 'f'
       ), '[]')                                                   AS referenced_by,
       coalesce((
           SELECT jsonb_agg(holder)
           FROM (
               SELECT jsonb_build_object(
                   'pid', activity.pid,
                   'application', coalesce(activity.application_name, ''),
                   'state', coalesce(activity.state, 'unknown'),
                   'transaction_seconds', extract(epoch FROM clock_timestamp() - activity.xact_start)::float8,
                   'statement', left(coalesce(activity.query, ''), 200),
                   'modes', jsonb_agg(DISTINCT locks.mode)) AS holder
               FROM pg_locks AS locks
               JOIN pg_stat_activity AS activity USING (pid)
               WHERE locks.relation = class.oid AND locks.granted AND activity.pid <> pg_backend_pid()
                 AND clock_timestamp() - activity.xact_start > make_interval(secs => %(age)s)
               GROUP BY activity.pid, activity.application_name, activity.state, activity.xact_start, activity.query
           ) AS holders
       ), '[]')                                                   AS sessions
FROM unnest(%(names)s::text[]) AS wanted (name)
JOIN pg_class AS class ON class.oid = to_regclass(quote_ident(wanted.name))
ORDER BY wanted.name;
