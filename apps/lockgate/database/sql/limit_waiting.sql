-- No statement of this transaction waits longer for one lock (SQLSTATE 55P03).
--   longest: text, in milliseconds
SELECT pg_catalog.set_config('lock_timeout', %(longest)s::pg_catalog.text, true) AS lock_timeout;
