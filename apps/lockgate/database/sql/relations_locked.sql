-- The relations that the transaction of this session has locked as one does that changes them, by oid; those that it has
-- dropped among them.
-- Source: https://www.postgresql.org/docs/current/explicit-locking.html
SELECT DISTINCT relation::bigint
FROM pg_catalog.pg_locks
WHERE pid = pg_catalog.pg_backend_pid() AND locktype = 'relation' AND granted
  AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
  AND mode IN ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock');
