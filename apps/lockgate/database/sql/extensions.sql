-- What stands between this role and each wanted extension.
--   managed: roles that hosted services give the right to create untrusted extensions without being superuser
SELECT wanted.name,
       EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = wanted.name) AS present,
       available.default_version IS NOT NULL AS installed,
       coalesce(versions.trusted, false) AS trusted,
       NOT coalesce(versions.superuser, true) AS anyone,
       pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE') AS may_create,
       pg_catalog.current_setting('is_superuser')::boolean AS superuser,
       EXISTS (SELECT FROM pg_catalog.pg_roles
               WHERE rolname IN ('rds_superuser', 'cloudsqlsuperuser', 'azure_pg_admin', 'alloydbsuperuser')
                 AND pg_catalog.pg_has_role(current_user, oid, 'member')) AS managed
FROM pg_catalog.unnest(%(names)s::pg_catalog.text[]) AS wanted (name)
LEFT JOIN pg_catalog.pg_available_extensions AS available ON available.name = wanted.name
LEFT JOIN pg_catalog.pg_available_extension_versions AS versions
       ON versions.name = wanted.name AND versions.version = available.default_version
ORDER BY wanted.name;
