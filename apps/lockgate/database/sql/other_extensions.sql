-- The extensions that a snapshot was made with and that are not there in the same version. Once it is loaded there is none.
-- For libpq as it is, hence PostgreSQL's own parameter.
--   $1 text: the snapshot's header, as JSON
SELECT wanted.name
FROM jsonb_each_text($1::jsonb -> 'extensions') AS wanted (name, version)
LEFT JOIN pg_extension ON extname = wanted.name
WHERE extversion IS DISTINCT FROM wanted.version;
