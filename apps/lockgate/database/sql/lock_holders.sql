-- Locks that other sessions hold on some tables, one row each.
-- Another role's session shows only its pid and locks, unless this role has pg_read_all_stats; a prepared transaction
-- has no session at all, and no pid.
--   names: text[], unquoted table names
SELECT class.relname                                                AS "table",
       locks.mode,
       locks.pid,
       locks.virtualtransaction                                     AS "transaction",
       coalesce(activity.application_name, '')                      AS application,
       coalesce(activity.backend_type, '')                          AS backend,
       coalesce(activity.state, '')                                 AS state,
       extract(epoch FROM clock_timestamp() - activity.xact_start)::float8 AS transaction_seconds,
       left(coalesce(activity.query, ''), 200)                      AS statement
FROM unnest(%(names)s::text[]) AS wanted (name)
JOIN pg_class AS class ON class.oid = to_regclass(quote_ident(wanted.name))
JOIN pg_locks AS locks ON locks.relation = class.oid
LEFT JOIN pg_stat_activity AS activity USING (pid)
WHERE locks.locktype = 'relation'
  AND locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND locks.granted
  AND locks.pid IS DISTINCT FROM pg_backend_pid()
ORDER BY activity.xact_start NULLS LAST, locks.pid;
