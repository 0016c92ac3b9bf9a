-- Whether this backend has the advisory lock already, given its key as two 32-bit halves; and else tries to take it.
-- PostgreSQL would give it a second time to the same backend: behind a pooler that is another client's.
--   key: bigint, the same
SELECT held, CASE WHEN held THEN false ELSE pg_catalog.pg_try_advisory_lock(%(key)s) END AS got
FROM (
    SELECT EXISTS (
        SELECT FROM pg_catalog.pg_locks
        WHERE locktype = 'advisory'
          AND classid::bigint = %(high)s
          AND objid::bigint = %(low)s
          AND objsubid = 1
          AND granted
          AND pid = pg_catalog.pg_backend_pid() -- so it is in this database
    ) AS held
    OFFSET 0 -- looked at once, before
) AS before;
