-- Let statements of this transaction be planned without trying every order of their joins: of a large one with few rows,
-- planning takes twenty times as long as execution.
SELECT pg_catalog.set_config('join_collapse_limit', '4', true) AS joins,
       pg_catalog.set_config('from_collapse_limit', '4', true) AS froms;
