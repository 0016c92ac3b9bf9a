-- Whether this role may make tables where it would make them, and both names, quoted; no row where no schema is open to it.
SELECT pg_catalog.quote_ident(namespace.nspname) AS schema,
       pg_catalog.quote_ident(current_user) AS role,
       pg_catalog.has_schema_privilege(namespace.oid, 'CREATE') AS may
FROM pg_catalog.pg_namespace AS namespace
WHERE namespace.nspname = pg_catalog.current_schema();
