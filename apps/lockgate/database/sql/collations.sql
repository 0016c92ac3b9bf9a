-- Collations by name, and whether they are deterministic; not those of which several have a name and differ in that.
SELECT collname, bool_and(collisdeterministic) AS deterministic
FROM pg_collation
GROUP BY collname
HAVING bool_and(collisdeterministic) = bool_or(collisdeterministic);
