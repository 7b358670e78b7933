-- Appointments that may have to be moved, and the work that is in their way.

-- fetch_standing --
-- Held or booked, and the vehicle has not come; the most urgent first.
SELECT o.order_id, o.vehicle_id, o.tenant_id, o.failure_mode, o.severity, o.state, o.mode, b.booking_id, o.station_id,
       b.bay_id, b.technician_id, lower(b.slot) AS starts, upper(b.slot) AS ends, e.arrival_id, e.sku, e.expected_at,
       e.spread_h, e.promised_at, e.is_cancelled
FROM bookings b JOIN repair_orders o USING (order_id)
LEFT JOIN (
    SELECT DISTINCT ON (r.order_id) r.order_id, a.arrival_id, a.sku, a.expected_at, a.spread_h, r.promised_at,
           a.state = 'cancelled' AS is_cancelled
    FROM part_reservations r JOIN part_arrivals a USING (arrival_id) WHERE r.state = 'expected'
    ORDER BY r.order_id, is_cancelled DESC, a.expected_at DESC
) e USING (order_id)
WHERE o.state IN ('offered', 'booked') AND (b.state = 'booked' OR (b.state = 'held' AND b.expires_at > %(now)s))
  AND (%(order_id)s::bigint IS NULL OR o.order_id = %(order_id)s)
ORDER BY o.severity, lower(b.slot), o.order_id;

-- fetch_occupied --
-- Work that has begun and whose time is over.
SELECT o.order_id, b.booking_id, o.station_id, b.bay_id, b.technician_id, lower(b.slot) AS starts, upper(b.slot) AS ends
FROM bookings b JOIN repair_orders o USING (order_id)
WHERE b.state = 'booked' AND o.begun_at IS NOT NULL AND o.state = ANY(%(states)s) AND upper(b.slot) <= %(now)s
ORDER BY upper(b.slot);

-- fetch_in_the_way --
-- Who comes next in that bay, or to that technician, before then.
SELECT o.order_id, o.vehicle_id
FROM bookings k
JOIN bookings n ON n.booking_id <> k.booking_id AND (n.bay_id = k.bay_id OR n.technician_id = k.technician_id)
JOIN repair_orders o ON o.order_id = n.order_id
WHERE k.booking_id = %(booking_id)s AND n.state IN ('held', 'booked') AND o.state IN ('offered', 'booked')
  AND n.slot && tstzrange(upper(k.slot), greatest(%(until)s, upper(k.slot)))
ORDER BY lower(n.slot);

-- stretch_booking --
-- Until then, or until the next one begins there.
UPDATE bookings k SET slot = tstzrange(lower(k.slot), least(%(until)s, (
    SELECT min(lower(n.slot)) FROM bookings n
    WHERE n.booking_id <> k.booking_id AND (n.bay_id = k.bay_id OR n.technician_id = k.technician_id)
      AND n.state IN ('held', 'booked') AND lower(n.slot) >= upper(k.slot))))
WHERE k.booking_id = %(booking_id)s AND k.state = 'booked' AND upper(k.slot) < %(until)s;

-- change_hands --
WITH moved AS (
    UPDATE bookings SET bay_id = %(bay_id)s, technician_id = %(technician_id)s
    WHERE booking_id = %(booking_id)s AND state IN ('held', 'booked') RETURNING order_id
)
UPDATE repair_orders SET bay_id = %(bay_id)s, technician_id = %(technician_id)s, version = version + 1,
    updated_at = %(now)s
WHERE order_id IN (SELECT order_id FROM moved);

-- fetch_left_behind --
-- Orders that nobody has begun to work on, of vehicles that have another owner since: nobody may answer for them.
SELECT o.order_id, o.vehicle_id FROM repair_orders o JOIN vehicles v USING (vehicle_id)
WHERE o.state IN ('predicted', 'triaged', 'offered', 'booked') AND o.opened_at < v.owner_since
  AND (%(order_id)s::bigint IS NULL OR o.order_id = %(order_id)s)
ORDER BY o.severity, o.order_id;

-- insert_successor --
-- The same fault in a new order, where an alert of it is still open; at most one for each cancelled order.
INSERT INTO repair_orders (tenant_id, vehicle_id, component, cause, failure_mode, severity, state, deadline, complaint,
                           reasons, ttt_p10_h, ttt_p50_h, ttt_p90_h, origin, prediction_id, idempotency_key,
                           model_version, trip_id, waiting_reason, opened_at, updated_at, replaces_id)
SELECT tenant_id, vehicle_id, component, cause, failure_mode, severity, 'triaged', deadline, complaint,
       reasons, ttt_p10_h, ttt_p50_h, ttt_p90_h, origin, prediction_id, 'replaces ' || order_id,
       model_version, trip_id, CASE WHEN waiting_reason = %(held)s THEN waiting_reason END, %(now)s, %(now)s, order_id
FROM repair_orders o
WHERE order_id = %(order_id)s AND state = 'cancelled'
  AND EXISTS (SELECT FROM alerts a WHERE a.order_id = o.order_id AND a.state <> 'cleared')
ON CONFLICT (replaces_id) DO NOTHING
RETURNING order_id;

-- hand_over_alerts --
-- A person who knew of them need not be the one who has to know now.
WITH open AS MATERIALIZED (
    SELECT alert_id, state FROM alerts WHERE order_id = %(order_id)s AND state <> 'cleared' FOR UPDATE
), handed AS (
    UPDATE alerts SET order_id = %(successor_id)s, updated_at = %(now)s,
        state = CASE WHEN %(is_unknown)s AND state = 'acknowledged' THEN 'open' ELSE state END
    WHERE alert_id IN (SELECT alert_id FROM open)
)
INSERT INTO alert_events (alert_id, at, actor, from_state, to_state, reason)
SELECT alert_id, %(now)s, %(actor)s, state,
       CASE WHEN %(is_unknown)s AND state = 'acknowledged' THEN 'open' ELSE state END, %(reason)s
FROM open;

-- fetch_root_order --
-- The open order of a vehicle to which an open alert of one of these modes belongs.
SELECT o.order_id FROM repair_orders o
WHERE o.vehicle_id = %(vehicle_id)s
  AND o.state NOT IN ('ready', 'invoiced', 'closed', 'cancelled', 'declined', 'no_fault_found', 'paid')
  AND EXISTS (SELECT FROM alerts a WHERE a.order_id = o.order_id AND a.failure_mode = ANY(%(modes)s)
                AND a.state IN ('open', 'acknowledged'))
ORDER BY o.severity, o.order_id LIMIT 1;
