-- Whether nothing is left to do for a release on this database, and what its migrations' rows come to now. One row.
-- For libpq as it is, hence PostgreSQL's own parameters; nothing here depends on a session's settings.
--   $1 text: the release's name   $2 text: digest of its contents   $3 text: digest of what its migrations say
--   $4 text[]: the extensions it wants
--   history_digest: sha256 over $3 and every row of django_migrations, times in microseconds
--   current: the newest run of this release succeeded and left this as its checkpoint, no step waits to be finished or undone, and
--     every wanted extension is there
WITH now AS (
    SELECT pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(
               pg_catalog.concat_ws(E'\n', $3::pg_catalog.text, pg_catalog.string_agg(
                   pg_catalog.concat_ws(' ', id, pg_catalog.quote_ident(app), pg_catalog.quote_ident(name),
                                        (extract(epoch FROM applied) * 1000000::numeric)::bigint),
                   E'\n' ORDER BY id)), 'UTF8')), 'hex') AS history_digest
    FROM django_migrations
), newest AS (
    SELECT id, outcome
    FROM lockgate_run
    WHERE release_digest::pg_catalog.text = pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(
              'release ' || $1::pg_catalog.text || E'\n' || $2::pg_catalog.text, 'UTF8')), 'hex')
    ORDER BY id DESC
    LIMIT 1
)
SELECT now.history_digest,
       EXISTS (SELECT FROM newest JOIN lockgate_checkpoint AS checkpoint ON checkpoint.run_id = newest.id
               WHERE newest.outcome::pg_catalog.text = 'succeeded'
                 AND checkpoint.history_digest::pg_catalog.text = now.history_digest)
       AND NOT EXISTS (SELECT FROM lockgate_journalentry
                       WHERE (NOT committed AND state::pg_catalog.text <> 'undone')
                          OR (phase::pg_catalog.text = 'finish'
                              AND state::pg_catalog.text IN ('planned', 'running', 'failed')))
       AND NOT EXISTS (SELECT FROM pg_catalog.unnest($4::pg_catalog.text[]) AS wanted (name)
                       WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = wanted.name)) AS current
FROM now;
