-- What this role lacks to read some tables: one GRANT each, for whoever owns them; nothing for a table that is in no schema
-- of its search path. Without USAGE on a schema an unqualified name does not find what is in it, as if it were not there;
-- that counts where no schema before it would be used in its place.
--   names: text[], unquoted table names
WITH path AS (
    SELECT position,
           CASE WHEN part[1] = '$user' THEN current_user::pg_catalog.text
                ELSE coalesce(pg_catalog.replace(part[1], '""', '"'), pg_catalog.lower(part[2])) END AS name
    FROM pg_catalog.regexp_matches(pg_catalog.current_setting('search_path'), '"((?:[^"]|"")*)"|([^",\s]+)', 'g')
         WITH ORDINALITY AS found (part, position)
), place AS (
    SELECT namespace.oid, namespace.nspname, path.position, pg_catalog.has_schema_privilege(namespace.oid, 'USAGE') AS seen
    FROM path
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.nspname::pg_catalog.text = path.name
    WHERE path.name <> 'pg_catalog'
), wanted AS (
    SELECT DISTINCT ON (class.relname) class.oid AS class, class.relname, place.nspname, place.seen
    FROM pg_catalog.pg_class AS class
    JOIN place ON place.oid = class.relnamespace
    WHERE class.relname::pg_catalog.text = ANY (%(names)s::pg_catalog.text[]) AND class.relkind IN ('r', 'p', 'v')
      AND (place.seen OR NOT EXISTS (SELECT FROM place AS used WHERE used.seen AND used.position < place.position))
    ORDER BY class.relname, place.seen DESC, place.position
)
SELECT 'GRANT USAGE ON SCHEMA ' || pg_catalog.quote_ident(nspname) || ' TO ' || pg_catalog.quote_ident(current_user) AS lack
FROM wanted
WHERE NOT seen
UNION
SELECT 'GRANT SELECT ON TABLE ' || pg_catalog.quote_ident(nspname) || '.' || pg_catalog.quote_ident(relname)
       || ' TO ' || pg_catalog.quote_ident(current_user)
FROM wanted
WHERE NOT pg_catalog.has_table_privilege(class, 'SELECT')
ORDER BY lack DESC;
