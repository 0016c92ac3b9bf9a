-- Behind a pooler: the backend that a client has, and whether another one is idle since a query that has a stamp.
--   pid: of the other one
--   stamp: text that its last query has
SELECT pg_catalog.pg_backend_pid(),
       (SELECT backend_start FROM pg_catalog.pg_stat_activity WHERE pid = pg_catalog.pg_backend_pid()),
       coalesce((
           SELECT activity.state = 'idle' AND pg_catalog.strpos(activity.query, %(stamp)s) > 0
           FROM pg_catalog.pg_stat_activity AS activity
           WHERE activity.pid = %(pid)s), false);
