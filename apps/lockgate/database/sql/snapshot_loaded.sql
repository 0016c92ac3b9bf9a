-- A snapshot has just been loaded, all of its release: what the run that did it has to say. One row: the run's id, and
-- how many migrations that were. For libpq as it is, hence PostgreSQL's own parameters.
--   $1 text: the snapshot's header, as JSON   $2 text: the release's name   $3 text: digest of its contents
--   $4 text: host   $5 text: process id   $6 text: arguments
WITH header AS (
    SELECT $1::pg_catalog.jsonb AS header
), release AS (
    SELECT pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(
               'release ' || $2::pg_catalog.text || E'\n' || $3::pg_catalog.text, 'UTF8')), 'hex') AS digest
), recorded AS (
    SELECT place, each ->> 0 AS app, each ->> 1 AS name, each ->> 2 AS file_digest, each ->> 3 AS ast_digest
    FROM header,
         pg_catalog.jsonb_array_elements(header -> 'recorded'::pg_catalog.text) WITH ORDINALITY AS found (each, place)
), run AS (
    INSERT INTO lockgate_run (release, release_digest, host, process_id, backend_pid, command, lockgate_version,
                              django_version, started_at, ended_at, lock_wait_seconds, outcome, error)
    SELECT coalesce(nullif($2::pg_catalog.text, ''), pg_catalog.left(digest, 12)), digest, $4::pg_catalog.text,
           $5::integer, pg_catalog.pg_backend_pid(), $6::pg_catalog.text,
           header ->> 'lockgate'::pg_catalog.text, header ->> 'django'::pg_catalog.text,
           pg_catalog.now(), pg_catalog.clock_timestamp(), 0, 'succeeded', ''
    FROM release, header
    RETURNING id
), applied AS (
    INSERT INTO django_migrations (app, name, applied)
    SELECT app, name, pg_catalog.clock_timestamp() FROM recorded ORDER BY place
), noted AS (
    INSERT INTO lockgate_migrationrecord
        (run_id, app, name, action, started_at, seconds, attempts, file_digest, ast_digest)
    SELECT run.id, app, recorded.name, 'snapshot', pg_catalog.now(), 0, 1, file_digest, ast_digest
    FROM run, recorded ORDER BY place
)
SELECT run.id, (SELECT pg_catalog.count(*) FROM recorded) FROM run;
