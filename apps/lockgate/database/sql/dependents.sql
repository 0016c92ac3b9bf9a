-- What depends on a table, or on some of its columns, and would have to go before these do or change: views and rules,
-- with the views on them, deepest first; foreign keys of other tables; and whatever else, as the server describes it.
--   table: unquoted   columns: text[], unquoted; empty for all of the table
--   removal: what drops it; NULL where that is not one plain statement   definition: what makes it again
WITH RECURSIVE meant AS (
    SELECT class.oid
    FROM pg_catalog.pg_class AS class
    WHERE class.oid = pg_catalog.to_regclass(pg_catalog.quote_ident(%(table)s::pg_catalog.text))::pg_catalog.oid
), direct AS (
    SELECT depend.classid, depend.objid, depend.objsubid
    FROM meant
    JOIN pg_catalog.pg_depend AS depend ON depend.refobjid = meant.oid
     AND depend.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
     AND depend.deptype = 'n'
    LEFT JOIN pg_catalog.pg_attribute AS attribute
      ON attribute.attrelid = meant.oid AND attribute.attnum = depend.refobjsubid
    WHERE pg_catalog.cardinality(%(columns)s::pg_catalog.text[]) = 0
       OR attribute.attname::pg_catalog.text = ANY (%(columns)s::pg_catalog.text[])
), viewed (oid, depth) AS (
    SELECT rewrite.ev_class, 1
    FROM direct
    JOIN pg_catalog.pg_rewrite AS rewrite ON rewrite.oid = direct.objid
    WHERE direct.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass::pg_catalog.oid
    UNION
    SELECT rewrite.ev_class, viewed.depth + 1
    FROM viewed
    JOIN pg_catalog.pg_depend AS depend ON depend.refobjid = viewed.oid AND depend.deptype = 'n'
     AND depend.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
     AND depend.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass::pg_catalog.oid
    JOIN pg_catalog.pg_rewrite AS rewrite ON rewrite.oid = depend.objid AND rewrite.ev_class <> viewed.oid
    WHERE viewed.depth < 20
), found AS (
    SELECT CASE class.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' ELSE 'a rule of table' END AS kind,
           pg_catalog.format('%%I.%%I', namespace.nspname, class.relname) AS name,
           CASE class.relkind WHEN 'v' THEN 'DROP VIEW ' WHEN 'm' THEN 'DROP MATERIALIZED VIEW ' END AS removal,
           class.relkind IN ('v', 'm') AS has_definition,
           pg_catalog.max(viewed.depth) AS depth
    FROM viewed
    JOIN pg_catalog.pg_class AS class ON class.oid = viewed.oid
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
    GROUP BY class.relkind, namespace.nspname, class.relname
)
SELECT pg_catalog.concat(found.kind, ' ', found.name) AS description,
       found.removal || found.name || ';' AS removal,
       CASE WHEN found.has_definition
            THEN pg_catalog.format('SELECT pg_catalog.pg_get_viewdef(%%L);', found.name) END AS definition,
       found.depth
FROM found
UNION ALL
SELECT pg_catalog.format('foreign key %%I of table %%I.%%I', "constraint".conname, namespace.nspname, class.relname),
       pg_catalog.format('ALTER TABLE %%I.%%I DROP CONSTRAINT %%I;', namespace.nspname, class.relname,
                         "constraint".conname),
       NULL,
       0
FROM direct
JOIN pg_catalog.pg_constraint AS "constraint" ON "constraint".oid = direct.objid AND "constraint".contype = 'f'
JOIN pg_catalog.pg_class AS class ON class.oid = "constraint".conrelid
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
WHERE direct.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass::pg_catalog.oid
  AND NOT EXISTS (SELECT FROM meant WHERE meant.oid = "constraint".conrelid)
UNION
SELECT pg_catalog.pg_describe_object(direct.classid, direct.objid, direct.objsubid), NULL, NULL, 0
FROM direct
WHERE direct.classid NOT IN ('pg_catalog.pg_rewrite'::pg_catalog.regclass::pg_catalog.oid,
                             'pg_catalog.pg_constraint'::pg_catalog.regclass::pg_catalog.oid)
ORDER BY 4 DESC, 1;
