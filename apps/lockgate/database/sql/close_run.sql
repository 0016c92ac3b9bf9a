-- Close the row of a run that has succeeded; and write down the level that it has reached, if any.
--   run: bigint   ended_at: timestamptz   level: text, or NULL
WITH closed AS (
    UPDATE lockgate_run SET outcome = 'succeeded', ended_at = %(ended_at)s, error = '' WHERE id = %(run)s RETURNING id
), reached AS (
    INSERT INTO lockgate_level (run_id, checksum)
    SELECT closed.id, %(level)s::pg_catalog.text FROM closed WHERE %(level)s::pg_catalog.text IS NOT NULL
)
SELECT id FROM closed;
