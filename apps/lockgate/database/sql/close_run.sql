-- Close the row of a run that has succeeded; and write down its checkpoint, if it has one.
--   run: bigint   ended_at: timestamptz   history_digest: text, or NULL
WITH closed AS (
    UPDATE lockgate_run SET outcome = 'succeeded', ended_at = %(ended_at)s, error = '' WHERE id = %(run)s RETURNING id
), reached AS (
    INSERT INTO lockgate_checkpoint (run_id, history_digest)
    SELECT closed.id, %(history_digest)s::pg_catalog.text FROM closed
    WHERE %(history_digest)s::pg_catalog.text IS NOT NULL
)
SELECT id FROM closed;
