-- The beginning of a transaction that ends with record_applied_whole: one message has several, and now() is the same in
-- all of them.
SELECT set_config('lockgate.began', clock_timestamp()::text, true), set_config('lock_timeout', %(lock_timeout)s, true);
