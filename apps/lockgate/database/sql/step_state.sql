-- What the journal says of a step.
--   step: its number
SELECT state::pg_catalog.text FROM lockgate_step WHERE id = %(step)s::pg_catalog.int8;
