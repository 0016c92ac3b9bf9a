-- Let the open transaction wait for a lock twice as long as the server waits before it looks for autovacuum in the way.
SELECT pg_catalog.set_config('lock_timeout', (2 * setting::int)::pg_catalog.text, true)
FROM pg_catalog.pg_settings
WHERE name = 'deadlock_timeout';
