-- Rights on Lockgate's tables and their sequences that others than their owners have, but reading: one row for each of
-- relation and role. A row of lockgate_journalentry is SQL that a later run executes, so whoever may write it may do what
-- that run may. The tables are those that an unqualified name finds; not one that is not made yet.
-- An owner counts too, where it may not become this role by itself. For libpq as it is: PostgreSQL's own parameter.
--   $1 text[]: more tables to look at, by name
--   own: table or sequence   owner, role: names (PUBLIC is a role here)   granted: which rights, also of single columns, or
--   OWNER   ours: whether this role may take them back   statement: what does so, whoever granted them
WITH own AS (
    SELECT pg_catalog.to_regclass(name)::pg_catalog.oid AS oid
    FROM pg_catalog.unnest(pg_catalog.array_cat(
             '{lockgate_run,lockgate_checkpoint,lockgate_failure,lockgate_migrationrecord,lockgate_journalentry,lockgate_effect}'
                 ::pg_catalog.text[],
             $1::pg_catalog.text[])) AS listed (name)
), relation AS (
    SELECT oid FROM own
    UNION ALL
    SELECT depend.objid
    FROM own
    JOIN pg_catalog.pg_depend AS depend ON depend.refobjid = own.oid AND depend.deptype IN ('a', 'i')
     AND depend.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
     AND depend.classid = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
    JOIN pg_catalog.pg_class AS sequence ON sequence.oid = depend.objid AND sequence.relkind = 'S'
), acl AS (
    SELECT class.oid, entry.grantee, entry.privilege_type
    FROM pg_catalog.pg_class AS class
    CROSS JOIN LATERAL pg_catalog.aclexplode(class.relacl) AS entry
    WHERE class.oid IN (SELECT oid FROM relation)
    UNION
    SELECT attribute.attrelid, entry.grantee, entry.privilege_type
    FROM pg_catalog.pg_attribute AS attribute
    CROSS JOIN LATERAL pg_catalog.aclexplode(attribute.attacl) AS entry
    WHERE attribute.attrelid IN (SELECT oid FROM relation)
), found AS (
    SELECT class.relname,
           class.relowner,
           class.relkind,
           pg_catalog.format('%I.%I', namespace.nspname, class.relname) AS place,
           coalesce(role.rolname::pg_catalog.text, 'PUBLIC') AS role,
           coalesce(pg_catalog.quote_ident(role.rolname), 'PUBLIC') AS quoted,
           pg_catalog.string_agg(acl.privilege_type, ', ' ORDER BY acl.privilege_type) AS granted
    FROM acl
    JOIN pg_catalog.pg_class AS class USING (oid)
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
    LEFT JOIN pg_catalog.pg_roles AS role ON role.oid = acl.grantee
    WHERE acl.grantee <> class.relowner AND acl.privilege_type <> 'SELECT'
    GROUP BY class.relname, class.relowner, class.relkind, namespace.nspname, role.rolname
)
SELECT relname::pg_catalog.text AS own,
       pg_catalog.pg_get_userbyid(relowner)::pg_catalog.text AS owner,
       role,
       granted,
       pg_catalog.pg_has_role(relowner, 'USAGE') AS ours,
       pg_catalog.format('REVOKE %s ON %s %s FROM %s CASCADE',
                         granted, CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, place, quoted) AS statement
FROM found
UNION ALL
SELECT class.relname::pg_catalog.text,
       pg_catalog.pg_get_userbyid(class.relowner)::pg_catalog.text,
       pg_catalog.pg_get_userbyid(class.relowner)::pg_catalog.text,
       'OWNER',
       false,
       pg_catalog.format('ALTER TABLE %I.%I OWNER TO %I', namespace.nspname, class.relname, current_user)
FROM own
JOIN pg_catalog.pg_class AS class USING (oid)
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
JOIN pg_catalog.pg_roles AS me ON me.rolname = current_user
WHERE NOT pg_catalog.pg_has_role(class.relowner, me.oid, 'MEMBER')
ORDER BY own, role;
