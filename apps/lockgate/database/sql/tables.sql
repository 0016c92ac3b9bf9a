-- Everything a plan needs to know of some tables, one row each, found as statements would find them.
--   names: text[], as Django has them;  places: text[], each as SQL names it;
--   age: seconds from which on a session that holds a lock is of interest;
--   measure: whether sizes are measured, which takes ACCESS SHARE locks, or estimated, which takes none
-- A table is as large as its partitions, or the tables that inherit from it, with it. A copy with statistics and no rows
-- is as large as these say.
WITH RECURSIVE wanted (name, oid) AS (
    SELECT listed.name, pg_catalog.to_regclass(listed.place)::pg_catalog.oid
    FROM ROWS FROM (pg_catalog.unnest(%(names)s::pg_catalog.text[]), pg_catalog.unnest(%(places)s::pg_catalog.text[]))
         AS listed (name, place)
), tree (root, oid) AS (
    SELECT DISTINCT wanted.oid, wanted.oid FROM wanted
    UNION
    SELECT tree.root, inherits.inhrelid
    FROM tree JOIN pg_catalog.pg_inherits AS inherits ON inherits.inhparent = tree.oid
), above (root, oid) AS (
    SELECT wanted.oid, inherits.inhparent
    FROM wanted JOIN pg_catalog.pg_inherits AS inherits ON inherits.inhrelid = wanted.oid
    UNION
    SELECT above.root, inherits.inhparent
    FROM above JOIN pg_catalog.pg_inherits AS inherits ON inherits.inhrelid = above.oid
), sized (root, size) AS (
    SELECT tree.root, pg_catalog.sum(greatest(
               CASE WHEN %(measure)s::boolean THEN pg_catalog.pg_total_relation_size(tree.oid) END,
               pg_catalog.current_setting('block_size')::int * (
                   SELECT pg_catalog.sum(greatest(part.relpages, 0)) FROM pg_catalog.pg_class AS part
                   WHERE part.oid IN (member.oid, member.reltoastrelid)
                      OR part.oid IN (SELECT indexrelid FROM pg_catalog.pg_index
                                      WHERE indrelid IN (member.oid, member.reltoastrelid)))))
    FROM tree
    JOIN pg_catalog.pg_class AS member ON member.oid = tree.oid
    GROUP BY tree.root
)
SELECT wanted.name,
       class.relkind::pg_catalog.text AS kind,
       coalesce(sized.size, 0)::bigint AS size,
       -- As the planner estimates: as dense as when it was analyzed last, in the pages there are now; NULL before that.
       CASE WHEN class.reltuples < 0::pg_catalog.float4 THEN NULL
            WHEN class.relkind = 'p' OR NOT %(measure)s::boolean THEN class.reltuples
            WHEN class.relpages > 0 THEN class.reltuples / class.relpages::pg_catalog.float8
                 * greatest(pg_catalog.pg_relation_size(class.oid) / pg_catalog.current_setting('block_size')::int,
                            class.relpages)::pg_catalog.float8
            WHEN pg_catalog.pg_relation_size(class.oid) = 0 THEN 0
       END::bigint AS rows,
       coalesce((
           SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
               'name', attribute.attname,
               'type', pg_catalog.format_type(attribute.atttypid, attribute.atttypmod),
               'not_null', attribute.attnotnull,
               'generated', attribute.attgenerated <> '',
               'identity', attribute.attidentity <> '',
               'sequence', (SELECT relname FROM pg_catalog.pg_class WHERE oid = serial.oid),
               'sequence_used', coalesce(
                   CASE WHEN %(measure)s::boolean AND pg_catalog.has_sequence_privilege(serial.oid, 'SELECT, USAGE')
                        THEN pg_catalog.pg_sequence_last_value(serial.oid) END::pg_catalog.float8
                   / CASE attribute.atttypid
                         WHEN 21::pg_catalog.oid THEN 32767::pg_catalog.float8        -- smallint
                         WHEN 23::pg_catalog.oid THEN 2147483647::pg_catalog.float8   -- integer
                     END, 0)) ORDER BY attribute.attnum)
           FROM pg_catalog.pg_attribute AS attribute
           CROSS JOIN LATERAL (
               SELECT pg_catalog.pg_get_serial_sequence(class.oid::pg_catalog.regclass::pg_catalog.text, attribute.attname)
                          ::pg_catalog.regclass::pg_catalog.oid AS oid
           ) AS serial
           WHERE attribute.attrelid = class.oid AND attribute.attnum > 0 AND NOT attribute.attisdropped
       ), '[]') AS columns,
       coalesce((
           SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
               'name', index_class.relname,
               'columns', (SELECT pg_catalog.jsonb_agg(member.attname ORDER BY key.position)
                           FROM pg_catalog.unnest(index.indkey::pg_catalog.int2[]) WITH ORDINALITY AS key (number, position)
                           LEFT JOIN pg_catalog.pg_attribute AS member
                                  ON member.attrelid = class.oid AND member.attnum = key.number AND key.number > 0
                           WHERE key.position <= index.indnkeyatts),
               'included', (SELECT coalesce(pg_catalog.jsonb_agg(member.attname ORDER BY key.position), '[]')
                            FROM pg_catalog.unnest(index.indkey::pg_catalog.int2[]) WITH ORDINALITY AS key (number, position)
                            JOIN pg_catalog.pg_attribute AS member
                              ON member.attrelid = class.oid AND member.attnum = key.number
                            WHERE key.position > index.indnkeyatts),
               'options', index_class.reloptions IS NOT NULL,
               'unique', index.indisunique,
               'valid', index.indisvalid,
               'primary', index.indisprimary,
               'partial', index.indpred IS NOT NULL,
               'method', method.amname,
               'size', greatest(CASE WHEN %(measure)s::boolean THEN pg_catalog.pg_relation_size(index_class.oid) END,
                                index_class.relpages * pg_catalog.current_setting('block_size')::bigint),
               'uses', coalesce((
                   SELECT pg_catalog.jsonb_agg(member.attname ORDER BY member.attnum)
                   FROM pg_catalog.pg_attribute AS member
                   WHERE member.attrelid = class.oid AND member.attnum > 0 AND NOT member.attisdropped
                     AND (member.attnum = ANY (index.indkey) OR EXISTS (
                         SELECT FROM pg_catalog.pg_depend AS on_column
                         WHERE on_column.classid = index_class.tableoid AND on_column.objid = index.indexrelid
                           AND on_column.refclassid = class.tableoid AND on_column.refobjid = class.oid
                           AND on_column.refobjsubid = member.attnum))), '[]')))
           FROM pg_catalog.pg_index AS index
           JOIN pg_catalog.pg_class AS index_class ON index_class.oid = index.indexrelid
           JOIN pg_catalog.pg_am AS method ON method.oid = index_class.relam
           WHERE index.indrelid = class.oid
       ), '[]') AS indexes,
       coalesce((
           SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
               'name', con.conname,
               'kind', con.contype::pg_catalog.text,
               'columns', coalesce((SELECT pg_catalog.jsonb_agg(member.attname ORDER BY key.position)
                           FROM pg_catalog.unnest(con.conkey) WITH ORDINALITY AS key (number, position)
                           JOIN pg_catalog.pg_attribute AS member ON member.attrelid = class.oid AND member.attnum = key.number),
                           '[]'),
               'definition', pg_catalog.pg_get_constraintdef(con.oid),
               'validated', con.convalidated,
               'references', (SELECT relname FROM pg_catalog.pg_class WHERE oid = nullif(con.confrelid, 0::pg_catalog.oid))))
           FROM pg_catalog.pg_constraint AS con
           WHERE con.conrelid = class.oid
             -- A key to a partitioned table has rows for its partitions too, which are no constraints of their own.
             AND NOT (con.contype = 'f' AND con.conparentid <> 0::pg_catalog.oid AND NOT class.relispartition)
       ), '[]') AS constraints,
       coalesce((
           SELECT pg_catalog.jsonb_agg(DISTINCT referrer.relname)
           FROM pg_catalog.pg_constraint AS con
           JOIN pg_catalog.pg_class AS referrer ON referrer.oid = con.conrelid
           WHERE con.confrelid = class.oid AND con.contype = 'f'
       ), '[]') AS referenced_by,
       coalesce((
           SELECT pg_catalog.jsonb_agg(
               CASE WHEN pg_catalog.pg_table_is_visible(parent.oid) THEN parent.relname::pg_catalog.text
                    ELSE pg_catalog.format('%%s"."%%s', namespace.nspname, parent.relname) END ORDER BY parent.oid)
           FROM above
           JOIN pg_catalog.pg_class AS parent ON parent.oid = above.oid
           JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = parent.relnamespace
           WHERE above.root = class.oid
       ), '[]') AS parents,
       coalesce((
           SELECT pg_catalog.jsonb_agg(holder)
           FROM (
               SELECT pg_catalog.jsonb_build_object(
                   'pid', activity.pid,
                   'application', coalesce(activity.application_name, ''),
                   'state', coalesce(activity.state, 'unknown'),
                   'transaction_seconds', extract(epoch FROM pg_catalog.clock_timestamp() - activity.xact_start)::pg_catalog.float8,
                   'modes', pg_catalog.jsonb_agg(DISTINCT locks.mode)) AS holder
               FROM pg_catalog.pg_locks AS locks
               JOIN pg_catalog.pg_stat_activity AS activity USING (pid)
               WHERE locks.relation = class.oid AND locks.granted AND activity.pid <> pg_catalog.pg_backend_pid()
                 AND pg_catalog.clock_timestamp() - activity.xact_start > pg_catalog.make_interval(secs => %(age)s)
               GROUP BY activity.pid, activity.application_name, activity.state, activity.xact_start
           ) AS holders
       ), '[]') AS sessions
FROM wanted
JOIN pg_catalog.pg_class AS class ON class.oid = wanted.oid
LEFT JOIN sized ON sized.root = class.oid
ORDER BY wanted.name;
