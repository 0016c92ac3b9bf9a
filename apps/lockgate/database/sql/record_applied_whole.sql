-- Django's row and the ledger's of an applied migration, for the end of a transaction that begin_whole began. To the
-- seconds that it took to prepare come those in the server.
WITH applied AS (
    INSERT INTO django_migrations (app, name, applied)
    VALUES (%(app)s, %(name)s, %(applied)s)
)
INSERT INTO lockgate_migrationrecord
    (run_id, app, name, action, started_at, seconds, attempts, file_digest, ast_digest)
VALUES (%(run)s, %(app)s, %(name)s, %(action)s, %(started_at)s,
        %(seconds)s + extract(epoch FROM pg_catalog.clock_timestamp()
                                    - pg_catalog.current_setting('lockgate.began')::pg_catalog.timestamptz),
        %(attempts)s, %(file_digest)s, %(ast_digest)s)
RETURNING extract(epoch FROM pg_catalog.clock_timestamp()
                             - pg_catalog.current_setting('lockgate.began')::pg_catalog.timestamptz)::pg_catalog.float8
    AS lockgate_seconds;
