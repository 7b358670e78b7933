-- Appointments that may have to be moved, and the work that is in their way.

-- fetch_standing --
-- Held or booked, and the vehicle has not come; the most urgent first.
SELECT o.order_id, o.vehicle_id, o.tenant_id, o.failure_mode, o.severity, o.state, o.mode, b.booking_id, o.station_id,
       b.bay_id, b.technician_id, lower(b.slot) AS starts, upper(b.slot) AS ends
FROM bookings b JOIN repair_orders o USING (order_id)
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
