-- The beginning of a message of transactions that are sent whole: it fails (22012), and the server leaves out the rest,
-- where this backend does not hold the advisory lock.
SELECT 1 / pg_catalog.count(*)
FROM pg_catalog.pg_locks
WHERE locktype = 'advisory'
  AND classid::bigint = %(high)s
  AND objid::bigint = %(low)s
  AND objsubid = 1
  AND granted
  AND pid = pg_catalog.pg_backend_pid();
