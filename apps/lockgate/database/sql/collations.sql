-- Collations by name, and whether they are deterministic; not those of which several have a name and differ in that.
SELECT collname, pg_catalog.bool_and(collisdeterministic) AS deterministic
FROM pg_catalog.pg_collation
GROUP BY collname
HAVING pg_catalog.bool_and(collisdeterministic) = pg_catalog.bool_or(collisdeterministic);
