-- Whether nothing is left to do for a release on this database, and what its migrations' rows come to now. One row.
-- For libpq as it is, hence PostgreSQL's own parameters; nothing here depends on a session's settings.
--   $1 text: the release's name   $2 text: digest of its contents   $3 text: digest of what its migrations say
--   $4 text[]: the extensions it wants
--   level: sha256 over $3 and every row of django_migrations, times in microseconds
--   current: the newest run of this release succeeded and left this level, no step waits to be finished or undone, and
--     every wanted extension is there
WITH now AS (
    SELECT encode(sha256(convert_to(concat_ws(E'\n', $3::text, string_agg(
               concat_ws(' ', id, quote_ident(app), quote_ident(name), (extract(epoch FROM applied) * 1000000)::bigint),
               E'\n' ORDER BY id)), 'UTF8')), 'hex') AS level
    FROM django_migrations
), newest AS (
    SELECT id, outcome
    FROM lockgate_run
    WHERE digest = encode(sha256(convert_to('release ' || $1::text || E'\n' || $2::text, 'UTF8')), 'hex')
    ORDER BY id DESC
    LIMIT 1
)
SELECT now.level,
       EXISTS (SELECT FROM newest JOIN lockgate_level AS left_at ON left_at.run_id = newest.id
               WHERE newest.outcome = 'succeeded' AND left_at.checksum = now.level)
       AND NOT EXISTS (SELECT FROM lockgate_step
                       WHERE (NOT committed AND state <> 'undone')
                          OR (phase = 'finish' AND state IN ('planned', 'running', 'failed')))
       AND NOT EXISTS (SELECT FROM unnest($4::text[]) AS wanted (name)
                       WHERE NOT EXISTS (SELECT FROM pg_extension WHERE extname = wanted.name)) AS current
FROM now;
