-- Let the open transaction wait for a lock twice as long as the server waits before it looks for autovacuum in the way.
SELECT set_config('lock_timeout', (2 * setting::int)::text, true) FROM pg_settings WHERE name = 'deadlock_timeout';
