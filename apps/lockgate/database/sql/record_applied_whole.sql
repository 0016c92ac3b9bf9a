-- What record_applied does, for the end of a transaction whose answers are read when it is over: it fails (22012) where
-- this backend does not hold the advisory lock. To the seconds that it took to prepare come those in the server.
INSERT INTO django_migrations (app, name, applied)
VALUES (%(app)s, %(name)s, %(applied)s);
INSERT INTO lockgate_migrationrecord
    (run_id, app, name, action, started_at, seconds, attempts, source, meaning)
VALUES (%(run)s, %(app)s, %(name)s, %(action)s, %(started_at)s,
        %(seconds)s + extract(epoch FROM clock_timestamp() - current_setting('lockgate.began')::timestamptz),
        %(attempts)s, %(source)s, %(meaning)s);
SELECT (extract(epoch FROM clock_timestamp() - current_setting('lockgate.began')::timestamptz) / count(*))::float8
    AS lockgate_seconds
FROM pg_locks
WHERE locktype = 'advisory'
  AND classid::bigint = %(high)s
  AND objid::bigint = %(low)s
  AND objsubid = 1
  AND granted
  AND pid = pg_backend_pid();
