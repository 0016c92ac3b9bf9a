-- Who this session is, where, and whether it may make schemas and extensions there.
SELECT current_user::pg_catalog.text AS role,
       database.datname::pg_catalog.text AS database,
       pg_catalog.pg_get_userbyid(database.datdba)::pg_catalog.text AS owner,
       pg_catalog.has_database_privilege(database.oid, 'CREATE') AS creates,
       pg_catalog.current_setting('server_version_num')::pg_catalog.int4 AS version
FROM pg_catalog.pg_database AS database
WHERE database.datname = pg_catalog.current_database();
