-- What is in this database beside what initdb and extensions put there; the first few, by name.
WITH extension_members AS (
    SELECT classid, objid FROM pg_catalog.pg_depend WHERE deptype = 'e'
), own AS (
    SELECT 'schema' AS kind, nspname::pg_catalog.text AS name, tableoid, oid FROM pg_catalog.pg_namespace
    WHERE nspname <> 'public'
    UNION ALL
    SELECT CASE relkind WHEN 'S' THEN 'sequence' WHEN 'v' THEN 'view' WHEN 'm' THEN 'view' ELSE 'table' END,
           oid::pg_catalog.regclass::pg_catalog.text, tableoid, oid FROM pg_catalog.pg_class
    WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
    UNION ALL
    SELECT 'type', oid::pg_catalog.regtype::pg_catalog.text, tableoid, oid FROM pg_catalog.pg_type
    WHERE typrelid = 0::pg_catalog.oid AND typelem = 0::pg_catalog.oid
    UNION ALL
    SELECT 'function', oid::pg_catalog.regproc::pg_catalog.text, tableoid, oid FROM pg_catalog.pg_proc
    UNION ALL
    SELECT 'operator', oprname::pg_catalog.text, tableoid, oid FROM pg_catalog.pg_operator
    UNION ALL
    SELECT 'collation', collname::pg_catalog.text, tableoid, oid FROM pg_catalog.pg_collation
    UNION ALL
    SELECT 'text search configuration', cfgname::pg_catalog.text, tableoid, oid FROM pg_catalog.pg_ts_config
    UNION ALL
    SELECT 'event trigger', evtname::pg_catalog.text, tableoid, oid FROM pg_catalog.pg_event_trigger
)
SELECT kind, name FROM own
WHERE oid >= 16384::pg_catalog.oid  -- FirstNormalObjectId: below it is what initdb made
  AND name !~ '^pg_(temp|toast)'
  AND NOT EXISTS (SELECT FROM extension_members AS member WHERE member.classid = own.tableoid AND member.objid = own.oid)
ORDER BY kind, name
LIMIT 4;
