-- The dispatch benchmark: its network, its alerts, and what has come of them.

-- insert_stations --
INSERT INTO stations (tenant_id, code, name_en, name_zh, city, address, lat, lon, has_hv_certificate, labour_rate)
SELECT %(tenant_id)s, code, code, code, 'bench', '', lat, lon, is_hv, 180
FROM unnest(%(codes)s::text[], %(lats)s::double precision[], %(lons)s::double precision[], %(hv)s::boolean[])
     AS s (code, lat, lon, is_hv);

-- insert_hours --
INSERT INTO station_hours (station_id, weekday, opens, closes)
SELECT station_id, day, '08:00', '20:00' FROM stations, generate_series(1, 7) AS day WHERE tenant_id = %(tenant_id)s;

-- insert_bays --
INSERT INTO bays (station_id, name, kinds)
SELECT s.station_id, b.name, b.kinds FROM stations s,
       (VALUES ('T1', '{tire}'::text[], false), ('L1', '{lift}', false), ('L2', '{lift,tire}', false),
               ('H1', '{hv,lift}', true)) AS b (name, kinds, is_hv)
WHERE s.tenant_id = %(tenant_id)s AND (s.has_hv_certificate OR NOT b.is_hv);

-- insert_technicians --
INSERT INTO technicians (station_id, name, skills)
SELECT s.station_id, t.name, t.skills FROM stations s,
       (VALUES ('A', '{T1,T2}'::text[], false), ('B', '{T1,T2}', false), ('C', '{T1}', false),
               ('D', '{T2,HV2}', true), ('E', '{T2,HV2,HV3}', true)) AS t (name, skills, is_hv)
WHERE s.tenant_id = %(tenant_id)s AND (s.has_hv_certificate OR NOT t.is_hv);

-- insert_shifts --
INSERT INTO shifts (technician_id, weekday, starts, ends)
SELECT t.technician_id, day, CASE WHEN t.name IN ('A', 'D') THEN time '08:00' ELSE time '11:00' END,
       CASE WHEN t.name IN ('A', 'D') THEN time '17:00' ELSE time '20:00' END
FROM technicians t JOIN stations s USING (station_id), generate_series(1, 7) AS day
WHERE s.tenant_id = %(tenant_id)s;

-- insert_stock --
INSERT INTO part_stock (station_id, sku, on_hand)
SELECT s.station_id, p.sku, %(on_hand)s FROM stations s JOIN parts p USING (tenant_id)
WHERE s.tenant_id = %(tenant_id)s;

-- clear_stations --
DELETE FROM stations WHERE tenant_id = %(tenant_id)s;

-- insert_predictions --
INSERT INTO predictions (vehicle_id, component, failure_mode, severity, probability, horizon_h, predicted_at, data_time,
                         since, window_from, window_to, reasons, model_version, origin, is_fresh)
SELECT vehicle_id, component, failure_mode, severity, 0.95, 168, %(now)s, %(now)s, %(now)s - interval '20 days',
       %(now)s - interval '20 days', %(now)s, '[]', model_version, 'simulated', true
FROM unnest(%(vehicle_ids)s::int[], %(components)s::text[], %(modes)s::text[], %(severities)s::text[],
            %(versions)s::text[]) AS p (vehicle_id, component, failure_mode, severity, model_version);

-- is_waiting --
-- Asked by every router that has nothing to do: no more is read than the first row of each.
SELECT EXISTS (SELECT FROM predictions WHERE routed_at IS NULL)
    OR EXISTS (SELECT FROM repair_orders WHERE waiting_reason = %(batched)s) AS is_waiting;

-- analyze --
ANALYZE;

-- fetch_placed --
SELECT vehicle_id, lower(slot) AS start, opened_at, deadline, distance_km FROM repair_orders WHERE slot IS NOT NULL
ORDER BY order_id;

-- fetch_unserved --
SELECT waiting_reason FROM repair_orders WHERE slot IS NULL;

-- count_wrong --
SELECT (SELECT count(*) FROM bookings a JOIN bookings b ON (a.bay_id = b.bay_id OR a.technician_id = b.technician_id)
            AND a.slot && b.slot AND a.booking_id < b.booking_id
        WHERE a.state IN ('held', 'booked') AND b.state IN ('held', 'booked')) AS double_bookings,
       (SELECT count(*) FROM part_stock s WHERE s.reserved > s.on_hand OR s.reserved < 0 OR s.reserved <> coalesce(
            (SELECT sum(r.qty) FROM part_reservations r WHERE r.state = 'reserved' AND r.station_id = s.station_id
                 AND r.sku = s.sku), 0)) AS negative_stock,
       (SELECT count(*) - count(DISTINCT (vehicle_id, cause)) FROM repair_orders) AS duplicate_orders,
       (SELECT count(*) FROM repair_orders o WHERE o.slot IS NOT NULL AND (SELECT count(*) FROM bookings b
            WHERE b.order_id = o.order_id AND b.state = 'held') <> 1) AS orders_without_booking;
