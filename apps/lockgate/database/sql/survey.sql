-- What depends on some tables or on columns of theirs, one row for each thing and table.
--   names: text[], as Lockgate calls the tables;  places: text[], each as SQL names it
--   kind, name: what it is, and as SQL names it   columns: of the table, that it uses; none where it uses the table
--   own: it is a part of the table, and goes with it   rests_on: the index of the table that it needs
--   of, bare: the table that it is a part of, as Lockgate calls that, and its own name there
-- What is on views is there too. A function that is only text (not SQL-standard) depends on nothing that is recorded; where
-- one is a trigger of the table, its text is searched for the names of the table's columns.
WITH RECURSIVE wanted (name, oid) AS (
    SELECT listed.name, pg_catalog.to_regclass(listed.place)::pg_catalog.oid
    FROM ROWS FROM (pg_catalog.unnest(%(names)s::pg_catalog.text[]), pg_catalog.unnest(%(places)s::pg_catalog.text[]))
         AS listed (name, place)
), meant AS (
    SELECT wanted.name, class.oid, class.reltype, type.typarray, class.relkind, class.relispartition, class.relreplident,
           class.relnamespace, class.relname,
           pg_catalog.format('%%I.%%I', namespace.nspname, class.relname) AS place
    FROM wanted
    JOIN pg_catalog.pg_class AS class ON class.oid = wanted.oid
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
    LEFT JOIN pg_catalog.pg_type AS type ON type.oid = class.reltype
), direct AS (
    SELECT meant.oid AS root, depend.classid, depend.objid, depend.objsubid,
           coalesce(pg_catalog.array_agg(DISTINCT attribute.attname::pg_catalog.text)
                    FILTER (WHERE attribute.attname IS NOT NULL), '{}') AS columns
    FROM meant
    JOIN pg_catalog.pg_depend AS depend ON depend.refobjid = meant.oid
     AND depend.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
    LEFT JOIN pg_catalog.pg_attribute AS attribute
      ON attribute.attrelid = meant.oid AND attribute.attnum = depend.refobjsubid AND depend.refobjsubid > 0
    GROUP BY meant.oid, depend.classid, depend.objid, depend.objsubid
), viewed (root, columns, rule, relation) AS (
    SELECT direct.root, direct.columns, rewrite.oid, rewrite.ev_class
    FROM direct
    JOIN pg_catalog.pg_rewrite AS rewrite ON rewrite.oid = direct.objid
    WHERE direct.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass::pg_catalog.oid
    UNION
    SELECT viewed.root, viewed.columns, rewrite.oid, rewrite.ev_class
    FROM viewed
    JOIN pg_catalog.pg_depend AS depend ON depend.refobjid = viewed.relation AND viewed.relation <> viewed.root
     AND depend.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
     AND depend.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass::pg_catalog.oid
    JOIN pg_catalog.pg_rewrite AS rewrite ON rewrite.oid = depend.objid AND rewrite.ev_class <> viewed.relation
), reached AS (
    -- What is recorded, for the table itself and through views.
    SELECT direct.root, direct.classid, direct.objid, direct.objsubid, direct.columns, false AS by_view FROM direct
    UNION
    SELECT viewed.root, depend.classid, depend.objid, depend.objsubid, viewed.columns, true
    FROM viewed
    JOIN pg_catalog.pg_depend AS depend ON depend.refobjid = viewed.relation AND depend.deptype = 'n'
     AND depend.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
    WHERE viewed.relation <> viewed.root
), found (root, kind, name, columns, own, rests_on, holder, bare) AS (
    SELECT viewed.root,
           CASE class.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' ELSE 'rule' END,
           CASE WHEN class.relkind IN ('v', 'm') THEN pg_catalog.format('%%I.%%I', namespace.nspname, class.relname)
                ELSE pg_catalog.format('%%I of %%I.%%I', rewrite.rulename, namespace.nspname, class.relname) END,
           viewed.columns, viewed.relation = viewed.root, NULL::pg_catalog.text, class.oid,
           CASE WHEN class.relkind IN ('v', 'm') THEN class.relname ELSE rewrite.rulename END::pg_catalog.text
    FROM viewed
    JOIN pg_catalog.pg_rewrite AS rewrite ON rewrite.oid = viewed.rule
    JOIN pg_catalog.pg_class AS class ON class.oid = viewed.relation
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
    WHERE viewed.relation <> viewed.root OR class.relkind NOT IN ('v', 'm')
    UNION ALL
    -- A generated column, of which PostgreSQL 14 records the column itself, and later ones its expression.
    SELECT direct.root, 'generated column', pg_catalog.format('%%I of %%s', attribute.attname, meant.place),
           pg_catalog.array_remove(direct.columns, attribute.attname::pg_catalog.text), true,
           CASE WHEN stored.oid IS NULL THEN 'automatic' END, direct.root,
           attribute.attname::pg_catalog.text
    FROM direct
    JOIN meant ON meant.oid = direct.root
    LEFT JOIN pg_catalog.pg_attrdef AS stored
      ON direct.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass::pg_catalog.oid AND stored.oid = direct.objid
    JOIN pg_catalog.pg_attribute AS attribute ON attribute.attrelid = direct.root AND attribute.attgenerated <> ''
     AND attribute.attnum::pg_catalog.int4 = coalesce(stored.adnum::pg_catalog.int4, direct.objsubid)
     AND (stored.adrelid = direct.root OR (direct.objid = direct.root
          AND direct.classid = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid))
    UNION ALL
    SELECT reached.root, 'policy', pg_catalog.format('%%I of %%I.%%I', policy.polname, namespace.nspname, class.relname),
           reached.columns, policy.polrelid = reached.root, NULL, policy.polrelid, policy.polname::pg_catalog.text
    FROM reached
    JOIN pg_catalog.pg_policy AS policy ON policy.oid = reached.objid
    JOIN pg_catalog.pg_class AS class ON class.oid = policy.polrelid
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
    WHERE reached.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass::pg_catalog.oid
    UNION ALL
    SELECT reached.root, 'function', reached.objid::pg_catalog.regprocedure::pg_catalog.text, reached.columns, false, NULL,
           NULL::pg_catalog.oid, function.proname::pg_catalog.text
    FROM reached
    JOIN pg_catalog.pg_proc AS function ON function.oid = reached.objid
    WHERE reached.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid
    UNION ALL
    SELECT reached.root, 'trigger', pg_catalog.format('%%I of %%I.%%I', "trigger".tgname, namespace.nspname, class.relname),
           reached.columns, "trigger".tgrelid = reached.root, NULL, "trigger".tgrelid, "trigger".tgname::pg_catalog.text
    FROM reached
    JOIN pg_catalog.pg_trigger AS "trigger" ON "trigger".oid = reached.objid AND NOT "trigger".tgisinternal
    JOIN pg_catalog.pg_class AS class ON class.oid = "trigger".tgrelid
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
    WHERE reached.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass::pg_catalog.oid
      AND (pg_catalog.cardinality(reached.columns) > 0 OR "trigger".tgrelid <> reached.root)
    UNION ALL
    SELECT meant.oid, 'trigger''s function', pg_catalog.format('%%s, by trigger %%I of %%s',
               "trigger".tgfoid::pg_catalog.regprocedure::pg_catalog.text, "trigger".tgname, meant.place),
           pg_catalog.array_agg(attribute.attname::pg_catalog.text), true, NULL, meant.oid, "trigger".tgname::pg_catalog.text
    FROM meant
    JOIN pg_catalog.pg_trigger AS "trigger" ON "trigger".tgrelid = meant.oid AND NOT "trigger".tgisinternal
    JOIN pg_catalog.pg_proc AS function ON function.oid = "trigger".tgfoid
    JOIN pg_catalog.pg_attribute AS attribute ON attribute.attrelid = meant.oid AND attribute.attnum > 0
     AND NOT attribute.attisdropped
     AND pg_catalog.regexp_match(function.prosrc, pg_catalog.concat('\m',
             pg_catalog.regexp_replace(attribute.attname::pg_catalog.text, '([^[:alnum:]_])', '\\\1', 'g'), '\M'), 'i') IS NOT NULL
    GROUP BY meant.oid, meant.place, "trigger".tgfoid, "trigger".tgname
    UNION ALL
    SELECT direct.root, 'publication''s columns or filter', pg_catalog.quote_ident(publication.pubname::pg_catalog.text),
           direct.columns, true, NULL, direct.root, publication.pubname::pg_catalog.text
    FROM direct
    JOIN pg_catalog.pg_publication_rel AS published ON published.oid = direct.objid
    JOIN pg_catalog.pg_publication AS publication ON publication.oid = published.prpubid
    WHERE direct.classid = 'pg_catalog.pg_publication_rel'::pg_catalog.regclass::pg_catalog.oid
      AND pg_catalog.cardinality(direct.columns) > 0
    UNION ALL
    -- columns: those of its list, where it has one (which PostgreSQL 14 knows nothing of); it carries no other
    SELECT meant.oid, 'publication', pg_catalog.quote_ident(listed.pubname::pg_catalog.text),
           coalesce((SELECT pg_catalog.array_agg(attribute.attname::pg_catalog.text)
                     FROM pg_catalog.pg_publication_rel AS published
                     JOIN pg_catalog.pg_attribute AS attribute ON attribute.attrelid = published.prrelid
                      AND pg_catalog.jsonb_contains(
                              pg_catalog.jsonb_object_field(pg_catalog.to_jsonb(published), 'prattrs'),
                              pg_catalog.to_jsonb(attribute.attnum))
                     WHERE published.prpubid = publication.oid AND published.prrelid = meant.oid), '{}'), true,
           CASE WHEN publication.pubupdate OR publication.pubdelete THEN 'identity' END,
           meant.oid, listed.pubname::pg_catalog.text
    FROM pg_catalog.pg_publication_tables AS listed
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.nspname = listed.schemaname
    JOIN meant ON meant.relname = listed.tablename AND meant.relnamespace = namespace.oid
    JOIN pg_catalog.pg_publication AS publication ON publication.pubname = listed.pubname
    UNION ALL
    SELECT meant.oid, 'subscription', pg_catalog.quote_ident(subscription.subname::pg_catalog.text), '{}', true, NULL,
           meant.oid, subscription.subname::pg_catalog.text
    FROM meant
    JOIN pg_catalog.pg_subscription_rel AS subscribed ON subscribed.srrelid = meant.oid
    JOIN pg_catalog.pg_subscription AS subscription ON subscription.oid = subscribed.srsubid
    UNION ALL
    SELECT meant.oid, 'replica identity', pg_catalog.quote_ident(class.relname::pg_catalog.text),
           coalesce((SELECT pg_catalog.array_agg(attribute.attname::pg_catalog.text)
            FROM pg_catalog.pg_attribute AS attribute
            WHERE attribute.attrelid = meant.oid AND attribute.attnum = ANY (index.indkey)), '{}'),
           true, class.relname::pg_catalog.text, meant.oid, class.relname::pg_catalog.text
    FROM meant
    JOIN pg_catalog.pg_index AS index ON index.indrelid = meant.oid
     AND CASE meant.relreplident WHEN 'i' THEN index.indisreplident WHEN 'd' THEN index.indisprimary ELSE false END
    JOIN pg_catalog.pg_class AS class ON class.oid = index.indexrelid
    UNION ALL
    SELECT con.confrelid, 'foreign key', pg_catalog.format('%%I of %%I.%%I', con.conname, namespace.nspname, class.relname),
           coalesce((SELECT pg_catalog.array_agg(attribute.attname::pg_catalog.text)
            FROM pg_catalog.pg_attribute AS attribute
            WHERE attribute.attrelid = con.confrelid AND attribute.attnum = ANY (con.confkey)), '{}'),
           false, index_class.relname::pg_catalog.text, con.conrelid, con.conname::pg_catalog.text
    FROM meant
    JOIN pg_catalog.pg_constraint AS con ON con.confrelid = meant.oid AND con.contype = 'f'
     AND con.conrelid <> meant.oid AND con.conparentid = 0::pg_catalog.oid
    JOIN pg_catalog.pg_class AS class ON class.oid = con.conrelid
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
    LEFT JOIN pg_catalog.pg_class AS index_class ON index_class.oid = con.conindid
    UNION ALL
    SELECT direct.root, 'statistics', pg_catalog.format('%%I.%%I', namespace.nspname, statistics.stxname), direct.columns,
           true, NULL, direct.root, statistics.stxname::pg_catalog.text
    FROM direct
    JOIN pg_catalog.pg_statistic_ext AS statistics ON statistics.oid = direct.objid
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = statistics.stxnamespace
    WHERE direct.classid = 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass::pg_catalog.oid
      AND pg_catalog.cardinality(direct.columns) > 0
    UNION ALL
    SELECT meant.oid, 'child table', pg_catalog.format('%%I.%%I', namespace.nspname, class.relname), '{}', false, NULL,
           class.oid, class.relname::pg_catalog.text
    FROM meant
    JOIN pg_catalog.pg_inherits AS inherits ON inherits.inhparent = meant.oid
    JOIN pg_catalog.pg_class AS class ON class.oid = inherits.inhrelid AND NOT class.relispartition
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
    UNION ALL
    SELECT meant.oid, CASE WHEN meant.relispartition THEN 'partitioned parent' ELSE 'parent table' END,
           pg_catalog.format('%%I.%%I', namespace.nspname, class.relname),
           coalesce((SELECT pg_catalog.array_agg(attribute.attname::pg_catalog.text)
            FROM pg_catalog.pg_attribute AS attribute
            WHERE attribute.attrelid = meant.oid AND attribute.attinhcount::pg_catalog.int4 > 0), '{}'), true, NULL,
           class.oid, class.relname::pg_catalog.text
    FROM meant
    JOIN pg_catalog.pg_inherits AS inherits ON inherits.inhrelid = meant.oid
    JOIN pg_catalog.pg_class AS class ON class.oid = inherits.inhparent
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
    WHERE class.relkind IN ('r', 'p', 'f')
    UNION ALL
    SELECT meant.oid, 'partition key', meant.place,
           coalesce((SELECT pg_catalog.array_agg(DISTINCT attribute.attname::pg_catalog.text)
            FROM pg_catalog.pg_attribute AS attribute
            WHERE attribute.attrelid = meant.oid AND attribute.attnum > 0 AND (attribute.attnum = ANY (keyed.partattrs)
               OR EXISTS (SELECT FROM pg_catalog.pg_depend AS depend
                          WHERE depend.classid = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
                            AND depend.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
                            AND depend.objid = meant.oid AND depend.refobjid = meant.oid AND depend.deptype = 'i'
                            AND depend.objsubid = attribute.attnum::pg_catalog.int4))), '{}'), true, NULL,
           meant.oid, NULL::pg_catalog.text
    FROM meant
    JOIN pg_catalog.pg_partitioned_table AS keyed ON keyed.partrelid = meant.oid
    UNION ALL
    -- Columns of other tables, and functions, whose type is this table's row.
    SELECT meant.oid, CASE WHEN depend.objsubid > 0 THEN 'column of its row type' ELSE 'function' END,
           CASE WHEN depend.objsubid > 0 THEN pg_catalog.format('%%I of %%I.%%I', attribute.attname, namespace.nspname, class.relname)
                ELSE depend.objid::pg_catalog.regprocedure::pg_catalog.text END,
           '{}', false, NULL, class.oid, coalesce(attribute.attname, function.proname)::pg_catalog.text
    FROM meant
    JOIN pg_catalog.pg_depend AS depend ON depend.refobjid IN (meant.reltype, meant.typarray) AND depend.deptype = 'n'
     AND depend.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass::pg_catalog.oid
    LEFT JOIN pg_catalog.pg_class AS class ON class.oid = depend.objid AND depend.objsubid > 0
    LEFT JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
    LEFT JOIN pg_catalog.pg_attribute AS attribute
      ON attribute.attrelid = depend.objid AND attribute.attnum::pg_catalog.int4 = depend.objsubid
    LEFT JOIN pg_catalog.pg_proc AS function ON function.oid = depend.objid
     AND depend.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid
    WHERE (depend.classid = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid AND class.relkind IN ('r', 'p', 'f'))
       OR depend.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid
    UNION ALL
    -- Defaults of other columns that take their numbers from a sequence which the table owns.
    SELECT direct.root, 'default', pg_catalog.format('%%I of %%I.%%I', attribute.attname, namespace.nspname, class.relname),
           direct.columns, false, NULL, stored.adrelid, attribute.attname::pg_catalog.text
    FROM direct
    JOIN pg_catalog.pg_class AS sequence ON sequence.oid = direct.objid AND sequence.relkind = 'S'
    JOIN pg_catalog.pg_depend AS depend ON depend.refobjid = sequence.oid
     AND depend.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
     AND depend.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass::pg_catalog.oid
    JOIN pg_catalog.pg_attrdef AS stored ON stored.oid = depend.objid AND stored.adrelid <> direct.root
    JOIN pg_catalog.pg_class AS class ON class.oid = stored.adrelid
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
    JOIN pg_catalog.pg_attribute AS attribute ON attribute.attrelid = stored.adrelid AND attribute.attnum = stored.adnum
    WHERE direct.classid = 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
    UNION ALL
    SELECT meant.oid, CASE meant.relkind WHEN 'f' THEN 'foreign table' ELSE 'the view itself' END, meant.place, '{}', true,
           NULL, meant.oid, meant.relname::pg_catalog.text
    FROM meant
    WHERE meant.relkind IN ('f', 'v')
)
SELECT DISTINCT meant.name AS "table", found.kind, found.name, found.columns, found.own,
       coalesce(found.rests_on, '') AS rests_on,
       coalesce(CASE WHEN pg_catalog.pg_table_is_visible(holder.oid) THEN holder.relname::pg_catalog.text
                     ELSE pg_catalog.format('%%s"."%%s', namespace.nspname, holder.relname) END, '') AS "of",
       coalesce(found.bare, '') AS bare
FROM found
JOIN meant ON meant.oid = found.root
LEFT JOIN pg_catalog.pg_class AS holder ON holder.oid = found.holder
LEFT JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = holder.relnamespace
ORDER BY meant.name, found.kind, found.name, found.columns;
