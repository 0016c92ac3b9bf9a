-- The backend that answers: its pid, and when it began.
SELECT pg_catalog.pg_backend_pid() AS pid,
       (SELECT backend_start FROM pg_catalog.pg_stat_activity WHERE pid = pg_catalog.pg_backend_pid()) AS since;
