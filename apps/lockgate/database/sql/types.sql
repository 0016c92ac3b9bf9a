-- Types that are not PostgreSQL's own, nor arrays or rows of tables: by the name that finds them, and with their schema.
--   base: what a domain stands on, with its length; constrained: whether it has a check or NOT NULL; filled: a default
SELECT pg_catalog.format_type(type.oid, NULL) AS name,
       pg_catalog.concat(pg_catalog.quote_ident(namespace.nspname), '.', pg_catalog.quote_ident(type.typname)) AS qualified,
       CASE WHEN type.typtype = 'd' THEN pg_catalog.format_type(type.typbasetype, type.typtypmod) ELSE '' END AS base,
       type.typnotnull OR EXISTS (
           SELECT FROM pg_catalog.pg_constraint AS con WHERE con.contypid = type.oid AND con.contype = 'c'
       ) AS constrained,
       type.typdefault IS NOT NULL AS filled
FROM pg_catalog.pg_type AS type
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = type.typnamespace
LEFT JOIN pg_catalog.pg_class AS class ON class.oid = type.typrelid
WHERE namespace.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
  AND (class.oid IS NULL OR class.relkind = 'c')
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_type AS element WHERE element.typarray = type.oid);
