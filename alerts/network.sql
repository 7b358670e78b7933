-- What planning looks at: stations, their capacity, jobs.

-- fetch_stations --
SELECT station_id, code, name_en, name_zh, address, lat, lon, time_zone, has_hv_certificate, labour_rate, currency,
       tax_rate
FROM stations WHERE tenant_id = %(tenant_id)s AND is_active ORDER BY station_id;

-- fetch_hours --
SELECT h.station_id, h.weekday, h.opens, h.closes FROM station_hours h
JOIN stations s USING (station_id) WHERE s.tenant_id = %(tenant_id)s;

-- fetch_bays --
SELECT b.station_id, b.bay_id, b.name, b.kinds FROM bays b
JOIN stations s USING (station_id) WHERE s.tenant_id = %(tenant_id)s AND b.is_open;

-- fetch_technicians --
SELECT t.station_id, t.technician_id, t.name, t.skills FROM technicians t
JOIN stations s USING (station_id) WHERE s.tenant_id = %(tenant_id)s AND t.is_active;

-- fetch_shifts --
SELECT h.technician_id, h.weekday, h.starts, h.ends FROM shifts h
JOIN technicians t USING (technician_id) JOIN stations s USING (station_id) WHERE s.tenant_id = %(tenant_id)s;

-- fetch_stock --
SELECT p.station_id, p.sku, p.on_hand - p.reserved AS free FROM part_stock p
JOIN stations s USING (station_id) WHERE s.tenant_id = %(tenant_id)s;

-- fetch_taken --
SELECT b.bay_id, b.technician_id, lower(b.slot) AS starts, upper(b.slot) AS ends FROM bookings b
LEFT JOIN bays y USING (bay_id) LEFT JOIN technicians t USING (technician_id)
JOIN stations s ON s.station_id = coalesce(y.station_id, t.station_id)
WHERE s.tenant_id = %(tenant_id)s AND b.state IN ('held', 'booked') AND upper(b.slot) > %(now)s;

-- fetch_job --
SELECT operations, parts, needs_hv FROM repair_jobs
WHERE tenant_id = %(tenant_id)s AND failure_mode = %(failure_mode)s;

-- fetch_operations --
SELECT operation, name_en, name_zh, hours, skill, bay_kind FROM labour_operations
WHERE tenant_id = %(tenant_id)s AND operation = ANY(%(operations)s) ORDER BY array_position(%(operations)s, operation);

-- fetch_parts --
SELECT sku, name_en, name_zh, unit_price FROM parts
WHERE tenant_id = %(tenant_id)s AND sku = ANY(%(skus)s) ORDER BY sku;
