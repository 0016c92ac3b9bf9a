-- The beginning of a transaction that ends with record_applied_whole: one message has several, and now() is the same in
-- all of them.
SELECT pg_catalog.set_config('lockgate.began', pg_catalog.clock_timestamp()::pg_catalog.text, true),
       pg_catalog.set_config('lock_timeout', %(lock_timeout)s, true);
