-- The bytes of the largest table of this database, its indexes and toast aside: one part of a partitioned one by itself.
--   measure: whether sizes are measured, which takes ACCESS SHARE locks, or estimated, which takes none
SELECT coalesce(pg_catalog.max(greatest(
           CASE WHEN %(measure)s::boolean THEN pg_catalog.pg_relation_size(class.oid) END,
           class.relpages * pg_catalog.current_setting('block_size')::bigint)), 0)::bigint AS size
FROM pg_catalog.pg_class AS class
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
WHERE class.relkind IN ('r', 'm') AND class.relpersistence <> 't'
  AND namespace.nspname NOT IN ('pg_catalog', 'information_schema');
