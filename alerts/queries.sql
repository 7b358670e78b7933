-- Everything alerts asks of the database, apart from the outbox (outbox.sql).

-- lock_vehicle --
-- One decision at a time for a vehicle; the second key is the vehicle.
SELECT pg_advisory_xact_lock(%(lock)s, %(vehicle_id)s);

-- lock_planning --
-- Shared: try and let the constraints judge. Exclusive: alone, after having lost once.
SELECT CASE WHEN %(is_exclusive)s THEN pg_advisory_xact_lock(%(lock)s, %(tenant_id)s)
            ELSE pg_advisory_xact_lock_shared(%(lock)s, %(tenant_id)s) END;

-- settle_quiet_predictions --
-- Predictions that can neither raise nor change anything are settled in bulk: too improbable, on a vehicle without
-- an alert and without a probable prediction that still waits.
WITH busy AS MATERIALIZED (
    SELECT vehicle_id FROM alerts WHERE state <> 'cleared'
    UNION
    SELECT vehicle_id FROM shadow_alerts WHERE state <> 'cleared'
    UNION
    SELECT vehicle_id FROM predictions WHERE routed_at IS NULL AND probability >= %(lowest)s
), quiet AS MATERIALIZED (
    SELECT prediction_id FROM predictions p
    WHERE routed_at IS NULL AND probability < %(lowest)s AND vehicle_id NOT IN (SELECT vehicle_id FROM busy)
    ORDER BY prediction_id LIMIT %(limit)s
    FOR UPDATE OF p SKIP LOCKED
)
UPDATE predictions SET routed_at = %(now)s WHERE prediction_id IN (SELECT prediction_id FROM quiet);

-- fetch_vehicles_to_route --
-- Of the most urgent and longest waiting some, the most urgent first; others than another router gets.
SELECT vehicle_id, severity FROM (
    SELECT vehicle_id, min(severity) AS severity FROM predictions
    WHERE routed_at IS NULL AND NOT vehicle_id = ANY(
        CASE WHEN severity <= 'S1' THEN %(just_failed)s::int[] ELSE %(resting)s::int[] END)
    GROUP BY vehicle_id ORDER BY min(severity), min(prediction_id) LIMIT 16 * %(limit)s) waiting
ORDER BY severity, hashint4(vehicle_id # pg_backend_pid()) LIMIT %(limit)s;

-- fetch_unrouted --
SELECT prediction_id, vehicle_id, component, failure_mode, severity, probability, horizon_h, ttt_p10_h, ttt_p50_h,
       ttt_p90_h, predicted_at, data_time, since, window_from, window_to, reasons, model_version, origin, is_fresh
FROM predictions WHERE routed_at IS NULL AND vehicle_id = ANY(%(vehicle_ids)s)
ORDER BY prediction_id LIMIT %(limit)s FOR UPDATE SKIP LOCKED;

-- mark_routed --
UPDATE predictions SET routed_at = %(now)s WHERE prediction_id = ANY(%(ids)s);

-- fetch_vehicles --
SELECT v.vehicle_id, v.tenant_id, t.name AS tenant, v.vin, v.model_id, v.time_zone, v.owner_id, o.home_lat, o.home_lon,
       m.energy_kwh, m.warranty, v.in_service_on,
       (d.readings ->> 'odometer')::double precision AS odometer,
       (d.readings ->> 'latitude')::double precision AS lat, (d.readings ->> 'longitude')::double precision AS lon,
       (d.readings ->> 'ambient')::double precision AS ambient, o.preferred_station_id, o.preferred_mode,
       (d.readings ->> 'soc')::double precision AS soc, (d.readings ->> 'soh')::double precision AS soh,
       coalesce((SELECT s.origin FROM message_streams s WHERE s.vehicle_id = v.vehicle_id
                 ORDER BY s.last_received DESC LIMIT 1), 'real') AS origin
FROM vehicles v
JOIN tenants t USING (tenant_id)
JOIN vehicle_models m USING (model_id)
LEFT JOIN owners o USING (owner_id)
LEFT JOIN vehicle_latest d ON d.vehicle_id = v.vehicle_id AND d.family = 'drive'
WHERE v.vehicle_id = ANY(%(vehicle_ids)s);

-- fetch_latest_alerts --
-- Of each key the open alert, else the newest cleared one.
SELECT alert.* FROM unnest(%(vehicle_ids)s::int[], %(components)s::text[], %(failure_modes)s::text[])
     AS key (vehicle_id, component, failure_mode)
CROSS JOIN LATERAL (
    SELECT vehicle_id, alert_id, component, failure_mode, severity, state, first_seen, last_seen, raised_at, cleared_at,
           quiet_since, occurrence_count, order_id,
           (SELECT o.repaired_at FROM repair_orders o WHERE o.order_id = a.order_id) AS repaired_at
    FROM alerts a
    WHERE a.vehicle_id = key.vehicle_id AND a.component = key.component AND a.failure_mode = key.failure_mode
    ORDER BY (state = 'cleared'), alert_id DESC LIMIT 1) alert;

-- fetch_vehicles_repaired --
SELECT DISTINCT a.vehicle_id FROM alerts a JOIN repair_orders o USING (order_id)
WHERE a.state <> 'cleared' AND o.repaired_at IS NOT NULL LIMIT %(limit)s;

-- end_repaired_alerts --
WITH repaired AS (
    SELECT a.alert_id, a.state, 'order ' || o.order_id || ' repaired: ' || replace(o.state, '_', ' ') AS reason
    FROM alerts a JOIN repair_orders o USING (order_id)
    WHERE a.vehicle_id = ANY(%(vehicle_ids)s) AND a.state <> 'cleared' AND o.repaired_at IS NOT NULL
    FOR UPDATE OF a
), ended AS (
    UPDATE alerts SET state = 'cleared', cleared_at = %(now)s, updated_at = %(now)s
    WHERE alert_id IN (SELECT alert_id FROM repaired)
)
INSERT INTO alert_events (alert_id, at, actor, from_state, to_state, reason)
SELECT alert_id, %(now)s, %(actor)s, state, 'cleared', reason FROM repaired RETURNING alert_id;

-- acknowledge_alerts --
WITH told AS (
    UPDATE alerts SET state = 'acknowledged', updated_at = %(now)s
    WHERE order_id = %(order_id)s AND state = 'open' RETURNING alert_id
)
INSERT INTO alert_events (alert_id, at, actor, from_state, to_state, reason)
SELECT alert_id, %(now)s, %(actor)s, 'open', 'acknowledged', %(reason)s FROM told;

-- fetch_open_orders --
SELECT order_id, vehicle_id, tenant_id, mode, component, cause, failure_mode, severity, state, version, deadline,
       station_id, lower(slot) AS slot_start, total, customer_total, waiting_reason, opened_at,
       CASE WHEN ttt_p10_h < 8760 THEN opened_at + ttt_p10_h * interval '1 hour' END AS threshold_at
FROM repair_orders
WHERE vehicle_id = ANY(%(vehicle_ids)s)
  AND state NOT IN ('ready', 'invoiced', 'closed', 'cancelled', 'declined', 'no_fault_found', 'paid')
ORDER BY order_id FOR UPDATE;

-- fetch_order --
SELECT order_id, vehicle_id, tenant_id, mode, component, cause, failure_mode, severity, state, version, deadline,
       station_id, lower(slot) AS slot_start, total, customer_total, waiting_reason, opened_at,
       CASE WHEN ttt_p10_h < 8760 THEN opened_at + ttt_p10_h * interval '1 hour' END AS threshold_at
FROM repair_orders WHERE order_id = %(order_id)s FOR UPDATE;

-- fetch_batched --
-- Orders that wait for the next batch, the most urgent first; what others work on is left to them.
SELECT order_id, vehicle_id, tenant_id, mode, component, cause, failure_mode, severity, state, version, deadline,
       station_id, lower(slot) AS slot_start, total, customer_total, waiting_reason, opened_at,
       CASE WHEN ttt_p10_h < 8760 THEN opened_at + ttt_p10_h * interval '1 hour' END AS threshold_at
FROM repair_orders
WHERE waiting_reason = %(batched)s AND state = 'triaged' AND tenant_id = %(tenant_id)s
  AND (%(order_ids)s::bigint[] IS NULL OR order_id = ANY(%(order_ids)s))
ORDER BY severity, order_id LIMIT %(limit)s FOR UPDATE SKIP LOCKED;

-- fetch_batched_tenants --
-- With an order that has waited since then, or with very many. Routers ask often while one of them places: the first
-- row is enough where a batch is due.
SELECT t.tenant_id FROM tenants t
WHERE EXISTS (SELECT FROM repair_orders o
              WHERE o.tenant_id = t.tenant_id AND o.waiting_reason = %(batched)s AND o.state = 'triaged'
                AND o.opened_at <= %(before)s)
   OR %(most)s <= (SELECT count(*) FROM (
          SELECT FROM repair_orders o
          WHERE o.tenant_id = t.tenant_id AND o.waiting_reason = %(batched)s AND o.state = 'triaged'
          LIMIT %(most)s) waiting)
ORDER BY t.tenant_id;

-- try_lock_batch --
-- One router places a tenant's batch; kept until the connection gives it back.
SELECT pg_try_advisory_lock(%(lock)s, %(tenant_id)s) AS is_mine;

-- unlock_batch --
SELECT pg_advisory_unlock(%(lock)s, %(tenant_id)s);

-- try_lock_vehicles --
SELECT vehicle_id FROM unnest(%(vehicle_ids)s::int[]) AS v (vehicle_id)
WHERE pg_try_advisory_xact_lock(%(lock)s, vehicle_id);

-- fetch_order_vehicle --
SELECT vehicle_id FROM repair_orders WHERE order_id = %(order_id)s;

-- fetch_waiting_orders --
SELECT order_id, vehicle_id FROM repair_orders
WHERE waiting_reason IS NOT NULL AND state = 'triaged' AND waiting_reason <> %(held)s
  AND (updated_at <= %(before)s OR waiting_reason = ANY(%(at_once)s))
ORDER BY severity, updated_at LIMIT %(limit)s;

-- let_order_wait --
-- Waiting on for the same reason is no new version: an answer to the one before still holds.
UPDATE repair_orders SET state = 'triaged', station_id = NULL, bay_id = NULL,
    version = version + (waiting_reason IS DISTINCT FROM %(waiting_reason)s)::int,
    technician_id = NULL, slot = NULL, distance_km = NULL, passed_over = %(passed_over)s,
    waiting_reason = %(waiting_reason)s, updated_at = %(now)s
WHERE order_id = %(order_id)s RETURNING version;

-- escalate_order --
UPDATE repair_orders SET severity = %(severity)s, deadline = least(deadline, %(deadline)s), version = version + 1,
    updated_at = %(now)s
WHERE order_id = %(order_id)s RETURNING version;

-- move_order --
UPDATE repair_orders SET state = %(state)s, owner_answer = coalesce(%(owner_answer)s, owner_answer),
    version = version + 1, updated_at = %(now)s
WHERE order_id = %(order_id)s RETURNING version;

-- release_expired_holds --
-- Before anything is planned: what nobody decided on is free again. Rows that another transaction is releasing are
-- left to it; whoever books them meanwhile waits for it at the exclusion constraint.
WITH expired AS (
    UPDATE bookings SET state = 'released'
    WHERE booking_id IN (SELECT booking_id FROM bookings WHERE state = 'held' AND expires_at <= %(now)s
                         ORDER BY booking_id FOR UPDATE SKIP LOCKED)
    RETURNING order_id
), parts_back AS (
    UPDATE part_reservations SET state = 'released'
    WHERE state IN ('expected', 'reserved') AND order_id IN (SELECT order_id FROM expired)
    RETURNING station_id, sku, CASE WHEN arrival_id IS NULL THEN qty ELSE 0 END AS qty
), stock_back AS (
    UPDATE part_stock s SET reserved = s.reserved - b.qty
    FROM (SELECT station_id, sku, sum(qty)::int AS qty FROM parts_back GROUP BY 1, 2) b
    WHERE s.station_id = b.station_id AND s.sku = b.sku
)
INSERT INTO order_events (order_id, at, actor, from_state, to_state, reason)
SELECT order_id, %(now)s, 'anxin', 'offered', 'offered', 'hold expired: bay, technician and parts are free again'
FROM expired;

-- release_order --
WITH freed AS (
    UPDATE bookings SET state = 'released' WHERE order_id = %(order_id)s AND state IN ('held', 'booked')
), parts_back AS (
    UPDATE part_reservations SET state = 'released'
    WHERE state IN ('expected', 'reserved') AND order_id = %(order_id)s
    RETURNING station_id, sku, CASE WHEN arrival_id IS NULL THEN qty ELSE 0 END AS qty
)
UPDATE part_stock s SET reserved = s.reserved - b.qty
FROM (SELECT station_id, sku, sum(qty)::int AS qty FROM parts_back GROUP BY 1, 2) b
WHERE s.station_id = b.station_id AND s.sku = b.sku;

-- extend_hold --
UPDATE bookings SET expires_at = least(%(expires_at)s, lower(slot))
WHERE order_id = %(order_id)s AND state = 'held' AND lower(slot) >= %(now)s;

-- confirm_hold --
-- An expired hold that nobody has taken meanwhile is as good as a young one; an appointment that has begun is not.
UPDATE bookings SET state = 'booked', expires_at = NULL
WHERE order_id = %(order_id)s AND state = 'held' AND lower(slot) >= %(now)s
RETURNING booking_id;

-- fetch_alarms --
-- Of too many of one vehicle the newest: among them are the live ones.
SELECT newest.* FROM unnest(%(vehicle_ids)s::int[]) AS v (vehicle_id)
CROSS JOIN LATERAL (
    SELECT e.vehicle_id, e.time, e.source, e.level, e.code, e.data, e.is_hist, e.received FROM vehicle_events e
    WHERE e.vehicle_id = v.vehicle_id AND e.kind = 'alarm' AND e.time BETWEEN %(after)s AND %(until)s
    ORDER BY e.time DESC LIMIT 10000) newest
ORDER BY newest.vehicle_id, newest.time, newest.source, newest.code;

-- fetch_event_cursor --
SELECT batch_id FROM service_cursors WHERE service = %(service)s AND partition = 0;

-- fetch_event_spans --
-- Vehicles with events in the batches after the cursor: batch_id order is commit order.
WITH upto AS (
    SELECT max(batch_id) AS batch_id FROM (
        SELECT batch_id FROM ingest_batches WHERE batch_id > %(cursor)s ORDER BY batch_id LIMIT %(limit)s) b
)
SELECT upto.batch_id, spans.vehicle_id, spans.time_from, spans.time_to
FROM upto LEFT JOIN LATERAL (
    SELECT e.vehicle_id, min(e.time_from) AS time_from, max(e.time_to) AS time_to
    FROM ingest_batches b, unnest(b.vehicle_ids, b.vehicle_families, b.time_from, b.time_to)
         AS e (vehicle_id, family, time_from, time_to)
    WHERE b.batch_id > %(cursor)s AND b.batch_id <= upto.batch_id AND 'event' = ANY(b.families) AND e.family = 'event'
    GROUP BY e.vehicle_id
) spans ON true
WHERE upto.batch_id IS NOT NULL
ORDER BY spans.vehicle_id;

-- remember_vehicle --
-- The earliest batch that was not acted on stays.
INSERT INTO service_cursors (service, partition, batch_id, updated_at)
VALUES (%(service)s, %(vehicle_id)s, %(batch_id)s, %(now)s)
ON CONFLICT (service, partition) DO UPDATE SET updated_at = excluded.updated_at;

-- fetch_remembered_vehicles --
-- With the span of event time of what came since.
SELECT c.partition AS vehicle_id, min(e.time_from) AS time_from, max(e.time_to) AS time_to
FROM (SELECT partition, batch_id, updated_at FROM service_cursors
      WHERE service = %(service)s AND updated_at <= %(before)s ORDER BY updated_at LIMIT %(limit)s) c
LEFT JOIN ingest_batches b ON b.batch_id > c.batch_id AND 'event' = ANY(b.families)
LEFT JOIN LATERAL (
    SELECT u.time_from, u.time_to
    FROM unnest(b.vehicle_ids, b.vehicle_families, b.time_from, b.time_to) AS u (vehicle_id, family, time_from, time_to)
    WHERE u.vehicle_id = c.partition AND u.family = 'event') e ON true
GROUP BY c.partition, c.updated_at ORDER BY c.updated_at;

-- forget_vehicle --
-- Unless another router has remembered it meanwhile.
DELETE FROM service_cursors
WHERE service = %(service)s AND partition = %(vehicle_id)s AND updated_at <= %(before)s;

-- advance_event_cursor --
INSERT INTO service_cursors (service, partition, batch_id, updated_at)
VALUES (%(service)s, 0, %(batch_id)s, %(now)s)
ON CONFLICT (service, partition) DO UPDATE SET
    batch_id = greatest(service_cursors.batch_id, excluded.batch_id), updated_at = excluded.updated_at;

-- report_orders --
-- Orders as the demo prints them.
SELECT o.order_id, v.vin, o.component, o.failure_mode, o.severity, o.state, o.origin, s.code AS station,
       s.name_en AS station_name, o.distance_km, o.is_distance_estimated, b.name AS bay, t.name AS technician,
       lower(o.slot) AS slot_start, o.currency, o.total, o.customer_total, o.reasons, o.ttt_p10_h, o.ttt_p50_h, o.ttt_p90_h,
       o.passed_over, o.waiting_reason,
       coalesce((SELECT jsonb_agg(jsonb_build_object('sku', l.code, 'qty', l.qty::int, 'reserved',
                     coalesce(r.state = 'reserved', false)) ORDER BY l.line)
                 FROM order_lines l LEFT JOIN part_reservations r ON r.order_id = l.order_id AND r.sku = l.code
                 WHERE l.order_id = o.order_id AND l.kind = 'part'), '[]') AS parts,
       coalesce((SELECT jsonb_agg(jsonb_build_object('kind', l.kind, 'code', l.code, 'text_en', l.text_en,
                     'text_zh', l.text_zh, 'qty', l.qty, 'unit_price', l.unit_price, 'amount', l.amount,
                     'payer', l.payer, 'payer_en', l.payer_en, 'payer_zh', l.payer_zh)
                     ORDER BY l.line)
                 FROM order_lines l WHERE l.order_id = o.order_id), '[]') AS lines,
       coalesce((SELECT jsonb_agg(jsonb_build_object('component', a.component, 'failure_mode', a.failure_mode,
                     'severity', a.severity, 'state', a.state, 'occurrence_count', a.occurrence_count)
                     ORDER BY a.alert_id)
                 FROM alerts a WHERE a.order_id = o.order_id), '[]') AS alerts
FROM repair_orders o
JOIN vehicles v USING (vehicle_id)
JOIN tenants n ON n.tenant_id = o.tenant_id
LEFT JOIN stations s USING (station_id)
LEFT JOIN bays b ON b.bay_id = o.bay_id
LEFT JOIN technicians t ON t.technician_id = o.technician_id
WHERE (%(tenant)s::text IS NULL OR n.name = %(tenant)s) AND (%(order_id)s::bigint IS NULL OR o.order_id = %(order_id)s)
ORDER BY o.order_id;
