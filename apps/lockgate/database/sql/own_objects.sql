-- What is in this database beside what initdb and extensions put there; the first few, by name.
WITH extension_members AS (
    SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
), own AS (
    SELECT 'schema' AS kind, nspname::text AS name, tableoid, oid FROM pg_namespace
    WHERE nspname <> 'public'
    UNION ALL
    SELECT CASE relkind WHEN 'S' THEN 'sequence' WHEN 'v' THEN 'view' WHEN 'm' THEN 'view' ELSE 'table' END,
           oid::regclass::text, tableoid, oid FROM pg_class
    WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
    UNION ALL
    SELECT 'type', oid::regtype::text, tableoid, oid FROM pg_type
    WHERE typrelid = 0 AND typelem = 0
    UNION ALL
    SELECT 'function', oid::regproc::text, tableoid, oid FROM pg_proc
    UNION ALL
    SELECT 'operator', oprname::text, tableoid, oid FROM pg_operator
    UNION ALL
    SELECT 'collation', collname::text, tableoid, oid FROM pg_collation
    UNION ALL
    SELECT 'text search configuration', cfgname::text, tableoid, oid FROM pg_ts_config
    UNION ALL
    SELECT 'event trigger', evtname::text, tableoid, oid FROM pg_event_trigger
)
SELECT kind, name FROM own
WHERE oid >= 16384  -- FirstNormalObjectId: below it is what initdb made
  AND name !~ '^pg_(temp|toast)'
  AND NOT EXISTS (SELECT FROM extension_members AS member WHERE member.classid = own.tableoid AND member.objid = own.oid)
ORDER BY kind, name
LIMIT 4;
