-- Relations of these names that a statement may mean, and what this role may do with them.
--   names: text[], unquoted; a relation counts where it is visible, or where its schema is named as well
--   lacking: the rights on it that this role does not have, where it has such rights
SELECT namespace.nspname::pg_catalog.text AS "schema",
       class.relname::pg_catalog.text AS name,
       CASE class.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'table' WHEN 'v' THEN 'view' WHEN 'S' THEN 'sequence'
            WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table' WHEN 'c' THEN 'type' ELSE 'index' END AS kind,
       owner.relname::pg_catalog.text AS "table",
       coalesce(index.indisvalid, true) AS valid,
       pg_catalog.pg_get_userbyid(class.relowner)::pg_catalog.text AS owner,
       pg_catalog.pg_has_role(class.relowner, 'USAGE') AS owned,
       pg_catalog.pg_has_role(class.relowner, 'MEMBER') AS member,
       ARRAY(
           SELECT listed.name
           FROM pg_catalog.unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::pg_catalog.text[])
                AS listed (name)
           WHERE class.relkind IN ('r', 'p', 'v', 'm', 'f')
             AND NOT pg_catalog.has_table_privilege(class.oid, listed.name)
       ) AS lacking
FROM pg_catalog.pg_class AS class
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
LEFT JOIN pg_catalog.pg_index AS index ON index.indexrelid = class.oid
LEFT JOIN pg_catalog.pg_class AS owner ON owner.oid = index.indrelid
WHERE class.relname::pg_catalog.text = ANY (%(names)s::pg_catalog.text[])
  AND (pg_catalog.pg_table_is_visible(class.oid) OR namespace.nspname::pg_catalog.text = ANY (%(names)s::pg_catalog.text[]))
ORDER BY "schema", name;
