-- The fingerprint of each migration as it was when last applied, or met as applied already; one row each.
SELECT DISTINCT ON (app, name) app, name, file_digest, ast_digest
FROM lockgate_migrationrecord
WHERE action::pg_catalog.text NOT IN ('unapply', 'unfake')
ORDER BY app, name, id DESC;
