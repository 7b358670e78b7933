-- The latency benchmark: room for its orders, and when what was committed.

-- copy_bays --
INSERT INTO bays (station_id, name, kinds)
SELECT station_id, name || ' ' || n, kinds FROM bays, generate_series(2, %(times)s) AS n;

-- copy_technicians --
INSERT INTO technicians (station_id, name, skills)
SELECT station_id, name || ' ' || n, skills FROM technicians, generate_series(2, %(times)s) AS n;

-- copy_shifts --
INSERT INTO shifts (technician_id, weekday, starts, ends)
SELECT c.technician_id, s.weekday, s.starts, s.ends
FROM technicians t JOIN shifts s USING (technician_id)
JOIN technicians c ON c.station_id = t.station_id AND c.name LIKE t.name || ' %%';

-- add_stock --
UPDATE part_stock SET on_hand = on_hand + %(pieces)s;

-- fetch_committed --
-- When the batch with a vehicle's decisive reading or event was committed.
SELECT v.vin, min(b.committed_at) AS committed_at
FROM unnest(%(vins)s::text[], %(families)s::text[], %(times)s::timestamptz[]) AS h (vin, family, at)
JOIN vehicles v ON v.vin = h.vin
JOIN (SELECT committed_at, unnest(vehicle_ids) AS vehicle_id, unnest(vehicle_families) AS family,
          unnest(time_to) AS time_to FROM ingest_batches) b
    ON b.vehicle_id = v.vehicle_id AND b.family = h.family AND b.time_to >= h.at
GROUP BY v.vin;

-- fetch_told --
-- What browsers were told of, by vehicle: predictions, and orders with whether bay and time are held.
SELECT v.vin, 'prediction' AS kind, p.prediction_id AS id, true AS is_booked
FROM predictions p JOIN vehicles v USING (vehicle_id) WHERE p.probability > 0.5
UNION ALL
SELECT v.vin, 'order', o.order_id,
    EXISTS (SELECT FROM bookings k WHERE k.order_id = o.order_id AND k.state IN ('held', 'booked'))
FROM repair_orders o JOIN vehicles v USING (vehicle_id);

-- fetch_warnings --
SELECT w.warning_id::text AS warning_id, v.vin FROM warnings w JOIN vehicles v USING (vehicle_id)
WHERE w.order_id IS NOT NULL;

-- fetch_places --
SELECT lat, lon FROM stations ORDER BY station_id;

-- fetch_owners --
SELECT DISTINCT owner_id FROM vehicles ORDER BY owner_id;

-- fetch_ready --
SELECT DISTINCT service FROM service_beats WHERE is_ready;
