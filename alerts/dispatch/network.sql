-- What planning looks at: stations, their capacity, jobs.

-- fetch_stations --
SELECT station_id, code, name_en, name_zh, address, lat, lon, time_zone, has_hv_certificate, labour_rate, currency,
       tax_rate, fees,
       (SELECT CASE WHEN count(*) >= %(least_ratings)s THEN avg(r.station_stars)::float8 END
        FROM order_ratings r JOIN repair_orders o USING (order_id) WHERE o.station_id = s.station_id) AS stars
FROM stations s WHERE tenant_id = %(tenant_id)s AND is_active ORDER BY station_id;

-- fetch_hours --
SELECT h.station_id, h.weekday, h.opens, h.closes FROM station_hours h
JOIN stations s USING (station_id) WHERE s.tenant_id = %(tenant_id)s;

-- fetch_bays --
SELECT b.station_id, b.bay_id, b.name, b.kinds FROM bays b
JOIN stations s USING (station_id) WHERE s.tenant_id = %(tenant_id)s AND b.is_open;

-- fetch_technicians --
SELECT t.station_id, t.technician_id, t.name, t.skills, t.carries FROM technicians t
JOIN stations s USING (station_id) WHERE s.tenant_id = %(tenant_id)s AND t.is_active;

-- fetch_shifts --
SELECT h.technician_id, h.weekday, h.starts, h.ends FROM shifts h
JOIN technicians t USING (technician_id) JOIN stations s USING (station_id) WHERE s.tenant_id = %(tenant_id)s;

-- fetch_version --
SELECT version FROM network_version;

-- lock_station --
SELECT pg_advisory_xact_lock(%(lock)s, %(station_id)s);

-- fetch_stock --
-- On the shelf (arrival_id NULL), and on its way.
SELECT station_id, sku, on_hand - reserved AS free, NULL::bigint AS arrival_id, NULL::timestamptz AS expected_at,
       NULL::real AS spread_h
FROM part_stock WHERE station_id = ANY(%(station_ids)s)
UNION ALL
SELECT station_id, sku, qty - reserved, arrival_id, expected_at, spread_h
FROM part_arrivals
WHERE station_id = ANY(%(station_ids)s) AND state IN ('expected', 'shipped') AND reserved < qty;

-- fetch_taken --
SELECT bay_id, technician_id, lower(slot), upper(slot) FROM bookings
WHERE (bay_id = ANY(%(bay_ids)s) OR technician_id = ANY(%(technician_ids)s))
  AND state IN ('held', 'booked') AND upper(slot) > %(now)s;

-- fetch_jobs --
SELECT failure_mode, operations, parts, needs_hv, mobile_fix FROM repair_jobs WHERE tenant_id = %(tenant_id)s;

-- fetch_operations --
SELECT operation, name_en, name_zh, hours, skill, bay_kind, warranty FROM labour_operations WHERE tenant_id = %(tenant_id)s;

-- fetch_parts --
SELECT sku, name_en, name_zh, unit_price, substitutes, warranty FROM parts WHERE tenant_id = %(tenant_id)s;
