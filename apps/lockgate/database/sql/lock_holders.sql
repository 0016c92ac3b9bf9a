-- Locks that other sessions hold on some tables, one row each.
-- Another role's session shows only its role, pid and locks, unless this role has pg_read_all_stats; a prepared
-- transaction has no session at all, and no pid, but a name.
-- command: the first word of its statement, where that is a command's; no more of another session's text is asked for.
--   names: text[], as Lockgate calls the tables;  places: text[], each as SQL names it
SELECT wanted.name                                                  AS "table",
       locks.mode,
       locks.pid,
       locks.virtualtransaction                                     AS "transaction",
       coalesce(activity.usename, prepared.owner, '')               AS role,
       coalesce(prepared.gid, '')                                   AS gid,
       coalesce(activity.application_name, '')                      AS application,
       coalesce(activity.backend_type, '')                          AS backend,
       coalesce(activity.state, '')                                 AS state,
       extract(epoch FROM pg_catalog.clock_timestamp() - coalesce(activity.xact_start, prepared.prepared))::pg_catalog.float8
           AS transaction_seconds,
       pg_catalog.upper(coalesce(pg_catalog.substring(activity.query,
           '(?i)^[[:space:](]*(SELECT|INSERT|UPDATE|DELETE|MERGE|WITH|COPY|LOCK|TRUNCATE|CREATE|ALTER|DROP|REINDEX|VACUUM|ANALYZE|CLUSTER|REFRESH|BEGIN|COMMIT|ROLLBACK|FETCH|CALL|DO)(?:[^a-z0-9_]|$)'), '')) AS command
FROM ROWS FROM (pg_catalog.unnest(%(names)s::pg_catalog.text[]), pg_catalog.unnest(%(places)s::pg_catalog.text[]))
     AS wanted (name, place)
JOIN pg_catalog.pg_class AS class ON class.oid = pg_catalog.to_regclass(wanted.place)::pg_catalog.oid
JOIN pg_catalog.pg_locks AS locks ON locks.relation = class.oid
LEFT JOIN pg_catalog.pg_stat_activity AS activity USING (pid)
LEFT JOIN (
    SELECT itself.virtualtransaction, known.gid, known.owner, known.prepared
    FROM pg_catalog.pg_prepared_xacts AS known
    JOIN pg_catalog.pg_locks AS itself ON itself.transactionid = known.transaction AND itself.pid IS NULL
) AS prepared ON prepared.virtualtransaction = locks.virtualtransaction AND locks.pid IS NULL
WHERE locks.locktype = 'relation'
  AND locks.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
  AND locks.granted
  AND locks.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
ORDER BY coalesce(activity.xact_start, prepared.prepared) NULLS LAST, locks.pid;
