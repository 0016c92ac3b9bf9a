-- The schemas of these names, and the one where what is made without a schema comes to be: what this role lacks there.
--   names: text[], unquoted
SELECT namespace.nspname::pg_catalog.text AS name,
       namespace.nspname = pg_catalog.current_schema() AS current,
       pg_catalog.pg_get_userbyid(namespace.nspowner)::pg_catalog.text AS owner,
       ARRAY(
           SELECT listed.name
           FROM pg_catalog.unnest('{USAGE,CREATE}'::pg_catalog.text[]) AS listed (name)
           WHERE NOT pg_catalog.has_schema_privilege(namespace.oid, listed.name)
       ) AS lacking
FROM pg_catalog.pg_namespace AS namespace
WHERE namespace.nspname::pg_catalog.text = ANY (%(names)s::pg_catalog.text[])
   OR namespace.nspname = pg_catalog.current_schema()
ORDER BY name;
