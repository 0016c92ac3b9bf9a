-- What lock_is_ours tells: whether this very backend holds the lock, and its transaction's mark. Where it does, and the
-- mark is the one that is given, the migration is recorded as applied, by Django's row and by the ledger's.
WITH session AS MATERIALIZED (
    SELECT EXISTS (
        SELECT FROM pg_locks
        WHERE locktype = 'advisory'
          AND classid::bigint = %(high)s
          AND objid::bigint = %(low)s
          AND objsubid = 1
          AND granted
          AND pid = pg_backend_pid()
    ) AS held, current_setting('lockgate.migration', true) AS mark
), sure AS (
    SELECT FROM session WHERE held AND mark = %(mark)s
), applied AS (
    INSERT INTO django_migrations (app, name, applied)
    SELECT %(app)s, %(name)s, %(applied)s FROM sure
), recorded AS (
    INSERT INTO lockgate_migrationrecord
        (run_id, app, name, action, started_at, seconds, attempts, source, meaning)
    SELECT %(run)s, %(app)s, %(name)s, %(action)s, %(started_at)s, %(seconds)s, %(attempts)s, %(source)s, %(meaning)s
    FROM sure
)
SELECT held, mark FROM session;
