-- Store playbacks and tell which were new. Django's bulk_create(ignore_conflicts=True) cannot tell.
-- The arrays run in parallel, one element a playback, ordered by event id: two batches that share events then
-- meet in the same order, so one waits for the other and neither deadlocks.
INSERT INTO watchstats_playback
    (event_id, server_id, viewer_id, item_id, started_at, stopped_at, watched_seconds, client, delivery)
SELECT * FROM unnest(
    %(event_id)s::uuid[],
    %(server_id)s::uuid[],
    %(viewer_id)s::bigint[],
    %(item_id)s::bigint[],
    %(started_at)s::timestamptz[],
    %(stopped_at)s::timestamptz[],
    %(watched_seconds)s::integer[],
    %(client)s::text[],
    %(delivery)s::text[]
)
ON CONFLICT (event_id) DO NOTHING
RETURNING event_id
