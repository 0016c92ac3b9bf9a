-- The session that holds an advisory lock, given its key as two 32-bit halves.
-- Another role's session shows only its pid, role and application_name, unless this role has pg_read_all_stats; a
-- transaction that was prepared has no session, and no pid.
-- able: whether its role could run migrations: it is this one, or may write what is applied. What others call
-- themselves is a claim.
-- command: the first word of its statement, where that is a command's; no more of another session's text is asked for.
SELECT locks.pid,
       activity.usename                       AS role,
       activity.application_name,
       coalesce(activity.usesysid = this.oid OR pg_catalog.has_table_privilege(
           activity.usesysid, pg_catalog.to_regclass('django_migrations')::pg_catalog.oid, 'INSERT'), false) AS able,
       pg_catalog.host(activity.client_addr)  AS address,
       activity.state,
       pg_catalog.upper(coalesce(pg_catalog.substring(activity.query,
           '(?i)^[[:space:](]*(SELECT|INSERT|UPDATE|DELETE|MERGE|WITH|COPY|LOCK|TRUNCATE|CREATE|ALTER|DROP|REINDEX|VACUUM|ANALYZE|CLUSTER|REFRESH|BEGIN|COMMIT|ROLLBACK|FETCH|CALL|DO)(?:[^a-z0-9_]|$)'), '')) AS command,
       activity.backend_start                 AS session_since
FROM pg_catalog.pg_locks AS locks
JOIN pg_catalog.pg_roles AS this ON this.rolname = current_user
LEFT JOIN pg_catalog.pg_stat_activity AS activity USING (pid)
WHERE locks.locktype = 'advisory'
  AND locks.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
  AND locks.classid::bigint = %(high)s
  AND locks.objid::bigint = %(low)s
  AND locks.objsubid = 1
  AND locks.granted
LIMIT 1;
