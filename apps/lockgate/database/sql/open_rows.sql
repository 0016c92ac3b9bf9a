-- The migrations that have rows of the journal which are still to be changed, one row each.
--   unfinished: something of it that was begun is neither done nor undone; contract steps may wait
SELECT app, name,
       pg_catalog.bool_or(NOT committed AND state::pg_catalog.text <> 'undone'
                          OR phase::pg_catalog.text = 'finish'
                             AND state::pg_catalog.text IN ('planned', 'running', 'failed')) AS unfinished
FROM lockgate_journalentry
WHERE NOT committed OR state::pg_catalog.text IN ('planned', 'running', 'failed')
GROUP BY app, name;
