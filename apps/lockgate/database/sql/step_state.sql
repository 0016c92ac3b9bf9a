-- What the journal says of a step.
--   step: its number
SELECT state::pg_catalog.text FROM lockgate_journalentry WHERE id = %(step)s::pg_catalog.int8;
