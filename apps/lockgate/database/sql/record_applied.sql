-- Record a migration as applied, by Django's row and by the ledger's; and tell what lock_is_ours tells, so that whoever
-- sends this in the migration's transaction can roll it back.
WITH applied AS (
    INSERT INTO django_migrations (app, name, applied)
    VALUES (%(app)s, %(name)s, %(applied)s)
), recorded AS (
    INSERT INTO lockgate_migrationrecord
        (run_id, app, name, action, started_at, seconds, attempts, file_digest, ast_digest)
    VALUES (%(run)s, %(app)s, %(name)s, %(action)s, %(started_at)s, %(seconds)s, %(attempts)s,
            %(file_digest)s, %(ast_digest)s)
)
SELECT EXISTS (
    SELECT FROM pg_catalog.pg_locks
    WHERE locktype = 'advisory'
      AND classid::bigint = %(high)s
      AND objid::bigint = %(low)s
      AND objsubid = 1
      AND granted
      AND pid = pg_catalog.pg_backend_pid()
), pg_catalog.current_setting('lockgate.migration', true);
