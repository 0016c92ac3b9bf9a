-- Gives parameters of this session their values; returns those that had another, and which.
-- A server that does not know one has none to set. What a client was told to set as it connected stays, if it is to.
--   names, wanted: text[], the values in the units of pg_settings
--   yielding: text[], names that the client's own options win for
--   pid: int, and then nothing is set on another backend; or NULL
SELECT before.name,
       before.setting,
       pg_catalog.set_config(before.name, given.wanted, false)
FROM ROWS FROM (
    pg_catalog.unnest(%(names)s::pg_catalog.text[]),
    pg_catalog.unnest(%(wanted)s::pg_catalog.text[])
) AS given (name, wanted)
JOIN pg_catalog.pg_settings AS before ON before.name = given.name
WHERE before.setting <> given.wanted
  AND NOT (before.source = 'client'::pg_catalog.text AND before.name = ANY (%(yielding)s::pg_catalog.text[]))
  AND coalesce(%(pid)s::pg_catalog.int4 = pg_catalog.pg_backend_pid(), true);
