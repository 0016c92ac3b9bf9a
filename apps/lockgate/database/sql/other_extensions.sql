-- The extensions that a snapshot was made with and that are not there in the same version. Once it is loaded there is none.
-- For libpq as it is, hence PostgreSQL's own parameter.
--   $1 text: the snapshot's header, as JSON
SELECT wanted.name
FROM pg_catalog.jsonb_each_text($1::pg_catalog.jsonb -> 'extensions'::pg_catalog.text) AS wanted (name, version)
LEFT JOIN pg_catalog.pg_extension ON extname = wanted.name
WHERE extversion IS DISTINCT FROM wanted.version;
