-- SQL of the newest readings: the marks that tell new rows from late ones, and what the map and the desk show.

-- fetch_marks --
-- The newest sample of each vehicle in this family: a row after it cannot be in the table yet. Locked until
-- the end of the transaction, so that the answer stays true.
SELECT vehicle_id, (extract(epoch FROM time) * 1000000)::bigint
FROM vehicle_latest
WHERE family = %(family)s AND vehicle_id = ANY(%(vehicle_ids)s::int[])
ORDER BY vehicle_id
FOR UPDATE

-- merge_latest --
-- Each reading by its own sample time, whatever order messages come in; of one time the first stays, as in the
-- tables. The first branch is the usual case: all of it is newer and nothing known is left out.
INSERT INTO vehicle_latest AS l
    (vehicle_id, family, time, sent, received, is_hist, origin, live_time, readings, reading_times)
SELECT vehicle_id, %(family)s, time, sent, received, is_hist, origin, live_time, readings::jsonb, reading_times::jsonb
FROM unnest(
    %(vehicle_id)s::int[], %(time)s::timestamptz[], %(sent)s::timestamptz[], %(received)s::timestamptz[],
    %(is_hist)s::boolean[], %(origin)s::text[], %(live_time)s::timestamptz[], %(readings)b::text[],
    %(reading_times)b::text[]
) AS b (vehicle_id, time, sent, received, is_hist, origin, live_time, readings, reading_times)
ORDER BY vehicle_id
ON CONFLICT (vehicle_id, family) DO UPDATE SET
    time = greatest(l.time, excluded.time),
    sent = CASE WHEN excluded.time > l.time THEN excluded.sent ELSE l.sent END,
    received = CASE WHEN excluded.time > l.time THEN excluded.received ELSE l.received END,
    is_hist = CASE WHEN excluded.time > l.time THEN excluded.is_hist ELSE l.is_hist END,
    origin = CASE WHEN excluded.time > l.time THEN excluded.origin ELSE l.origin END,
    live_time = greatest(l.live_time, excluded.live_time),
    (readings, reading_times) = (
        WITH usual AS MATERIALIZED (
            SELECT excluded.time > l.time AND excluded.reading_times = '{}'
                AND excluded.readings ?& ARRAY(SELECT jsonb_object_keys(l.readings)) AS is_so
        )
        SELECT excluded.readings, excluded.reading_times FROM usual WHERE is_so
        UNION ALL
        SELECT coalesce(jsonb_object_agg(alias, value), '{}'),
            coalesce(jsonb_object_agg(alias, at_us) FILTER (WHERE at_us < newest_us), '{}')
        FROM (
            SELECT DISTINCT ON (alias) alias, value, coalesce(told_us, row_us) AS at_us, newest_us
            FROM (
                SELECT r.key AS alias, r.value, (l.reading_times ->> r.key)::bigint AS told_us,
                    (extract(epoch FROM l.time) * 1000000)::bigint AS row_us, 0 AS turn
                FROM jsonb_each(l.readings) AS r
                UNION ALL
                SELECT r.key, r.value, (excluded.reading_times ->> r.key)::bigint,
                    (extract(epoch FROM excluded.time) * 1000000)::bigint, 1
                FROM jsonb_each(excluded.readings) AS r
            ) AS both_of_them,
            (SELECT (extract(epoch FROM greatest(l.time, excluded.time)) * 1000000)::bigint AS newest_us) AS n
            ORDER BY alias, coalesce(told_us, row_us) DESC, turn
        ) AS newest
        HAVING NOT (SELECT is_so FROM usual)
    )
