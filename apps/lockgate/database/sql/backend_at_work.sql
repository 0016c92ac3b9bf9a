-- Whether a backend that somebody lost is still at work, and whether this server may be asked at all.
-- Asked by itself: a commit that ends after this answer is seen by the question that follows it.
--   pid, since: of the backend; another one may have its pid by now
SELECT pg_catalog.pg_is_in_recovery() AS standby,
       EXISTS (
           SELECT FROM pg_catalog.pg_stat_activity AS activity
           WHERE activity.pid = %(pid)s::pg_catalog.int4
             AND coalesce(activity.backend_start = %(since)s::pg_catalog.timestamptz, true)
             AND coalesce(activity.state <> 'idle'::pg_catalog.text, true)
       ) AS at_work;
