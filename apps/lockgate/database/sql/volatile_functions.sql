-- Functions that may return something else at each call: a default that calls one is computed for every row.
SELECT DISTINCT proname FROM pg_catalog.pg_proc WHERE provolatile = 'v' AND prokind = 'f';
