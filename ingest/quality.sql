-- SQL of ingest/store_quality.py.

-- add_quality_counts --
-- In key order, so that two ingesters take row locks in one order.
INSERT INTO quality_counts AS q
    (vehicle_id, day, signal, element, reason, count, first_received, last_received)
SELECT b.vehicle_id, (%(received)s::timestamptz AT TIME ZONE 'UTC')::date, b.signal, b.element, b.reason, b.count,
    %(received)s, %(received)s
FROM unnest(%(vehicle_id)s::int[], %(signal)s::text[], %(element)s::smallint[], %(reason)s::text[], %(count)s::bigint[])
    AS b (vehicle_id, signal, element, reason, count)
ORDER BY b.vehicle_id, b.signal, b.element, b.reason
ON CONFLICT (vehicle_id, day, signal, element, reason) DO UPDATE SET
    count = q.count + excluded.count,
    first_received = least(q.first_received, excluded.first_received),
    last_received = greatest(q.last_received, excluded.last_received)

-- tell_clocks --
INSERT INTO vehicle_clocks AS c (vehicle_id, offset_s, is_off, observed_at)
SELECT b.vehicle_id, b.offset_s, b.is_off, b.observed_at
FROM unnest(%(vehicle_id)s::int[], %(offset_s)s::float8[], %(is_off)s::boolean[], %(observed_at)s::timestamptz[])
    AS b (vehicle_id, offset_s, is_off, observed_at)
ORDER BY b.vehicle_id
ON CONFLICT (vehicle_id) DO UPDATE SET
    offset_s = excluded.offset_s, is_off = excluded.is_off, observed_at = excluded.observed_at
WHERE excluded.observed_at >= c.observed_at
