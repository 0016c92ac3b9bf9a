-- The session that holds an advisory lock, given its key as two 32-bit halves.
-- Another role's session shows only its pid and application_name, unless this role has pg_read_all_stats.
SELECT locks.pid,
       activity.application_name,
       pg_catalog.host(activity.client_addr)  AS address,
       activity.state,
       activity.query              AS statement,
       activity.backend_start      AS session_since
FROM pg_catalog.pg_locks AS locks
LEFT JOIN pg_catalog.pg_stat_activity AS activity USING (pid)
WHERE locks.locktype = 'advisory'
  AND locks.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
  AND locks.classid::bigint = %(high)s
  AND locks.objid::bigint = %(low)s
  AND locks.objsubid = 1
  AND locks.granted
LIMIT 1;
