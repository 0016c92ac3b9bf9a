-- Whether this very backend holds the advisory lock, given its key as two 32-bit halves; and its transaction's mark.
SELECT EXISTS (
    SELECT FROM pg_catalog.pg_locks
    WHERE locktype = 'advisory'
      AND classid::bigint = %(high)s
      AND objid::bigint = %(low)s
      AND objsubid = 1
      AND granted
      AND pid = pg_catalog.pg_backend_pid() -- so it is in this database
), pg_catalog.current_setting('lockgate.migration', true);
