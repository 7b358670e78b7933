-- What the demo reads to tell its story; the simulators write nothing into the database.

-- owners_of_vehicles --
SELECT v.vin, v.owner_id FROM vehicles v WHERE v.vin = ANY (%(vins)s) AND v.owner_id IS NOT NULL ORDER BY v.vehicle_id;

-- is_ready --
SELECT EXISTS (SELECT 1 FROM service_beats WHERE service = %(service)s AND is_ready AND beat_at > now() - interval '15 seconds');

-- story_progress --
SELECT
    (SELECT coalesce(sum(row_count), 0)::bigint FROM ingest_batches) AS rows,
    (SELECT coalesce(sum(received_count), 0)::bigint FROM message_streams) AS stored,
    (SELECT coalesce(sum(duplicate_count), 0)::bigint FROM message_streams) AS duplicate,
    (SELECT coalesce(sum(repaired_count), 0)::bigint FROM message_streams) AS repaired,
    (SELECT coalesce(sum(upper(gap) - lower(gap)), 0)::bigint
        FROM message_streams, unnest(missing) AS gap) AS missing,
    (SELECT count(*) FROM rejects) AS rejected,
    (SELECT count(*) FROM alerts WHERE state IN ('open', 'acknowledged')) AS alerts,
    (SELECT count(*) FROM repair_orders) AS orders;

-- scored_vehicles --
-- Vehicles for which every predictor that runs by score has used data of the given time or later.
SELECT v.vin
FROM vehicle_scores s JOIN vehicles v USING (vehicle_id)
WHERE s.data_time >= %(data_until)s AND s.failure_mode = ANY (%(failure_modes)s)
GROUP BY v.vin
HAVING count(DISTINCT s.failure_mode) = cardinality(%(failure_modes)s);

-- delivered_warnings --
-- What has arrived of the orders' warnings: accepted by the push service, confirmed by the vehicle.
SELECT w.order_id, w.warning_id::text AS warning_id, d.channel, coalesce(d.received_at, d.sent_at) AS delivered_at
FROM deliveries d JOIN warnings w USING (warning_id)
WHERE w.order_id IS NOT NULL
  AND (d.channel = 'webpush' AND d.state IN ('sent', 'received') OR d.channel = 'mqtt' AND d.state = 'received')
ORDER BY delivered_at;

-- order_vehicles --
SELECT o.order_id, v.vin, o.component, o.failure_mode, v.owner_id, o.station_id
FROM repair_orders o JOIN vehicles v USING (vehicle_id) ORDER BY o.order_id;

-- order_label --
SELECT outcome, cause, component, failure_mode, part_removed, measured_value, measured_unit, onset, found_at, decided_at,
    model_version
FROM outcomes WHERE order_id = %(order_id)s;
