-- The day board of a station; whether the caller may see the station has been decided before.

-- fetch_shifts --
SELECT h.technician_id, h.weekday, h.starts, h.ends FROM shifts h
JOIN technicians t USING (technician_id) WHERE t.station_id = %(station_id)s;

-- fetch_day_bookings --
-- What is held, booked or done between begin and end. A booking belongs to a station by its order: work on the road
-- has no bay. A station sees a plate where the present owner agreed to it.
SELECT k.booking_id, k.order_id, lower(k.slot) AS begin, upper(k.slot) AS end, k.state AS booking_state, k.expires_at,
    o.severity, o.state, o.mode, o.component, o.failure_mode, o.origin, v.vin, c.shares_data,
    CASE WHEN NOT %(is_station)s OR c.shares_data THEN v.plate ELSE left(v.plate, 2) || '•••' END AS plate,
    b.name AS bay, t.name AS technician
FROM bookings k
JOIN repair_orders o USING (order_id)
JOIN vehicles v USING (vehicle_id)
LEFT JOIN bays b ON b.bay_id = k.bay_id
LEFT JOIN technicians t ON t.technician_id = k.technician_id
CROSS JOIN LATERAL (
    SELECT o.shares_data AND (v.owner_since IS NULL OR o.opened_at >= v.owner_since) AS shares_data
) c
WHERE o.station_id = %(station_id)s AND k.state IN ('held', 'booked', 'done')
    AND k.slot && tstzrange(%(begin)s, %(end)s)
    AND (k.bay_id IS NULL OR b.station_id = o.station_id)
ORDER BY lower(k.slot), k.booking_id LIMIT 1000;
