-- How the newest run of a release ended, and when one succeeded last.
--   digest: text, of the release   newest: its outcome; NULL where there was none   succeeded: its id; NULL for none
SELECT (SELECT outcome::pg_catalog.text FROM lockgate_run WHERE release_digest::pg_catalog.text = %(digest)s::pg_catalog.text
        ORDER BY id DESC LIMIT 1) AS newest,
       (SELECT pg_catalog.max(id) FROM lockgate_run
        WHERE release_digest::pg_catalog.text = %(digest)s::pg_catalog.text
          AND outcome::pg_catalog.text = 'succeeded') AS succeeded;
