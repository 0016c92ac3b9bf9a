-- Indexes that are not valid, and that nobody is building: what a concurrent build that failed has left.
-- One of a partitioned table that waits for those of its partitions is as it should be.
SELECT index.indexrelid::pg_catalog.int8 AS oid,
       namespace.nspname::pg_catalog.text AS "schema",
       class.relname::pg_catalog.text AS name,
       owner.relname::pg_catalog.text AS "table"
FROM pg_catalog.pg_index AS index
JOIN pg_catalog.pg_class AS class ON class.oid = index.indexrelid AND class.relkind = 'i'
JOIN pg_catalog.pg_class AS owner ON owner.oid = index.indrelid
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
WHERE NOT index.indisvalid
  AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_stat_progress_create_index AS progress
      WHERE progress.index_relid = index.indexrelid AND progress.pid <> pg_catalog.pg_backend_pid()
  )
ORDER BY "schema", name;
