-- Transactions that a concurrent index build would wait for: any other session of this database with a snapshot.
SELECT pid,
       coalesce(application_name, '')                                    AS application,
       coalesce(state, 'unknown')                                        AS state,
       extract(epoch FROM pg_catalog.clock_timestamp() - xact_start)::pg_catalog.float8        AS transaction_seconds
FROM pg_catalog.pg_stat_activity
WHERE datname = pg_catalog.current_database()
  AND pid <> pg_catalog.pg_backend_pid()
  AND backend_xmin IS NOT NULL
  AND pg_catalog.clock_timestamp() - xact_start > pg_catalog.make_interval(secs => %(age)s)
ORDER BY xact_start;
