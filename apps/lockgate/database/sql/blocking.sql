-- How far a session's index build is, and whom it waits for: sessions, and prepared transactions, which have none.
-- A prepared transaction is waited for by its id, or by a lock that it holds; pg_blocking_pids() says 0 for it.
-- command: the first word of its statement, where that is a command's; no more of another session's text is asked for.
--   pid: of the session that builds
SELECT progress.phase,
       progress.blocks_done,
       progress.blocks_total,
       coalesce((
           SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
               'pid', activity.pid,
               'role', coalesce(activity.usename, ''),
               'application', coalesce(activity.application_name, ''),
               'state', coalesce(activity.state, ''),
               'transaction_seconds', extract(epoch FROM pg_catalog.clock_timestamp() - activity.xact_start)::pg_catalog.float8,
               'command', pg_catalog.upper(coalesce(pg_catalog.substring(activity.query,
                   '(?i)^[[:space:](]*(SELECT|INSERT|UPDATE|DELETE|MERGE|WITH|COPY|LOCK|TRUNCATE|CREATE|ALTER|DROP|REINDEX|VACUUM|ANALYZE|CLUSTER|REFRESH|BEGIN|COMMIT|ROLLBACK|FETCH|CALL|DO)(?:[^a-z0-9_]|$)'), ''))))
           FROM pg_catalog.pg_stat_activity AS activity
           WHERE activity.pid = ANY (pg_catalog.pg_blocking_pids(%(pid)s))), '[]') AS blockers,
       coalesce((
           SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
               'gid', prepared.gid,
               'role', prepared.owner,
               'transaction_seconds', extract(epoch FROM pg_catalog.clock_timestamp() - prepared.prepared)::pg_catalog.float8))
           FROM pg_catalog.pg_prepared_xacts AS prepared
           WHERE prepared.database = pg_catalog.current_database()
             AND EXISTS (
               SELECT
               FROM pg_catalog.pg_locks AS waiting
               JOIN pg_catalog.pg_locks AS held
                 ON held.relation = waiting.relation OR held.transactionid = waiting.transactionid
               JOIN pg_catalog.pg_locks AS itself ON itself.virtualtransaction = held.virtualtransaction
               WHERE waiting.pid = %(pid)s AND NOT waiting.granted
                 AND held.pid IS NULL AND itself.pid IS NULL
                 AND itself.transactionid = prepared.transaction)), '[]') AS prepared
FROM (SELECT) AS always
LEFT JOIN pg_catalog.pg_stat_progress_create_index AS progress ON progress.pid = %(pid)s
LIMIT 1;
