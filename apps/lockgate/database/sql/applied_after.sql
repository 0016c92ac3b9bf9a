-- Migrations that were applied after the last run of a release that succeeded; none where it never had one.
--   digest: text, of the release
SELECT app, name
FROM lockgate_migrationrecord
WHERE action::pg_catalog.text = 'apply'
  AND run_id > (SELECT pg_catalog.max(id) FROM lockgate_run
                WHERE release_digest::pg_catalog.text = %(digest)s::pg_catalog.text
                  AND outcome::pg_catalog.text = 'succeeded');
