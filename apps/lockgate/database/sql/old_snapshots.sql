-- Transactions that a concurrent index build would wait for: any other session of this database with a snapshot.
SELECT pid,
       coalesce(application_name, '')                                    AS application,
       coalesce(state, 'unknown')                                        AS state,
       extract(epoch FROM clock_timestamp() - xact_start)::float8        AS transaction_seconds,
       left(coalesce(query, ''), 200)                                    AS statement
FROM pg_stat_activity
WHERE datname = current_database()
  AND pid <> pg_backend_pid()
  AND backend_xmin IS NOT NULL
  AND clock_timestamp() - xact_start > make_interval(secs => %(age)s)
ORDER BY xact_start;
