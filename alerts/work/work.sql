-- The life of an order after the owner's yes.

-- fetch_work_order --
SELECT o.order_id, o.vehicle_id, o.tenant_id, o.component, o.failure_mode, o.severity, o.state, o.version, o.mode,
       o.station_id, o.bay_id, o.technician_id, o.total, o.agreed_total, o.customer_total, o.begun_at,
       o.opened_at, o.odometer_in_km, lower(o.slot) AS slot_start, upper(o.slot) AS slot_end, s.labour_rate,
       coalesce(s.currency, o.currency) AS currency, s.tax_rate,
       coalesce(s.is_active, false) AS is_station_active
FROM repair_orders o LEFT JOIN stations s USING (station_id)
WHERE o.order_id = %(order_id)s FOR UPDATE OF o;

-- fetch_command --
SELECT digest, state, version FROM order_commands WHERE order_id = %(order_id)s AND key = %(key)s;

-- insert_command --
INSERT INTO order_commands (order_id, key, digest, state, version, at)
VALUES (%(order_id)s, %(key)s, %(digest)s, %(state)s, %(version)s, %(now)s);

-- move_work --
UPDATE repair_orders SET state = %(state)s, version = version + 1, updated_at = %(now)s,
    odometer_in_km = coalesce(%(odometer_in_km)s, odometer_in_km),
    odometer_out_km = coalesce(%(odometer_out_km)s, odometer_out_km),
    begun_at = coalesce(begun_at, %(begun_at)s), correction = coalesce(%(correction)s, correction),
    part_removed = coalesce(%(part_removed)s, part_removed), bay_id = coalesce(%(bay_id)s, bay_id),
    technician_id = coalesce(%(technician_id)s, technician_id)
WHERE order_id = %(order_id)s RETURNING version;

-- share_data --
UPDATE repair_orders SET shares_data = %(shares_data)s WHERE order_id = %(order_id)s;

-- insert_finding --
INSERT INTO order_findings (order_id, outcome, cause, measured_value, measured_unit, trouble_codes, onset, found_at,
                            found_by)
VALUES (%(order_id)s, %(outcome)s, %(cause)s, %(measured_value)s, %(measured_unit)s, %(trouble_codes)s, %(onset)s,
        %(now)s, %(actor)s);

-- fetch_outcome --
SELECT outcome FROM order_findings WHERE order_id = %(order_id)s ORDER BY finding_id DESC LIMIT 1;

-- insert_label --
-- The newest finding of an order that has come to an end.
INSERT INTO outcomes (order_id, tenant_id, vehicle_id, station_id, component, failure_mode, outcome, cause,
                      part_removed, measured_value, measured_unit, onset, found_at, decided_at, prediction_id,
                      model_version, origin)
SELECT o.order_id, o.tenant_id, o.vehicle_id, o.station_id, o.component, o.failure_mode, f.outcome, f.cause,
       o.part_removed, f.measured_value, f.measured_unit, f.onset, f.found_at, %(now)s, o.prediction_id,
       p.model_version, o.origin
FROM repair_orders o
JOIN LATERAL (SELECT * FROM order_findings WHERE order_id = o.order_id ORDER BY finding_id DESC LIMIT 1) f ON true
LEFT JOIN predictions p USING (prediction_id)
WHERE o.order_id = %(order_id)s
ON CONFLICT (order_id) DO NOTHING;

-- clear_alerts --
WITH open AS MATERIALIZED (
    SELECT alert_id, state FROM alerts WHERE order_id = %(order_id)s AND state <> 'cleared' FOR UPDATE
), cleared AS (
    UPDATE alerts SET state = 'cleared', cleared_at = %(now)s, updated_at = %(now)s
    WHERE alert_id IN (SELECT alert_id FROM open)
)
INSERT INTO alert_events (alert_id, at, actor, from_state, to_state, reason)
SELECT alert_id, %(now)s, %(actor)s, state, 'cleared', %(reason)s FROM open
RETURNING alert_id;

-- fetch_reservations --
SELECT sku, qty, state FROM part_reservations WHERE order_id = %(order_id)s AND state <> 'released' ORDER BY sku;

-- fetch_supplied --
-- Orders that wait for parts and can have all of them: what they hold of a part goes back first when they take more.
SELECT o.order_id, o.version FROM repair_orders o
WHERE o.state = 'waiting_parts' AND NOT EXISTS (
    SELECT FROM order_lines l
    LEFT JOIN part_reservations r ON r.order_id = l.order_id AND r.sku = l.code AND r.state IN ('reserved', 'used')
    LEFT JOIN part_stock k ON k.station_id = o.station_id AND k.sku = l.code
    WHERE l.order_id = o.order_id AND l.kind = 'part' AND r.qty IS DISTINCT FROM l.qty
        AND coalesce(k.on_hand - k.reserved, 0) + coalesce(r.qty, 0) < l.qty)
ORDER BY o.severity, o.updated_at, o.order_id LIMIT %(limit)s;

-- release_part --
-- Back on the shelf, wherever it was.
WITH back AS (
    SELECT station_id, sku, qty, state FROM part_reservations
    WHERE order_id = %(order_id)s AND sku = %(sku)s AND state <> 'released' FOR UPDATE
), freed AS (
    UPDATE part_reservations SET state = 'released' WHERE order_id = %(order_id)s AND sku = %(sku)s
)
UPDATE part_stock s SET reserved = s.reserved - CASE b.state WHEN 'reserved' THEN b.qty ELSE 0 END,
    on_hand = s.on_hand + CASE b.state WHEN 'used' THEN b.qty ELSE 0 END
FROM back b WHERE s.station_id = b.station_id AND s.sku = b.sku;

-- pick_parts --
WITH picked AS (
    UPDATE part_reservations SET state = 'used' WHERE order_id = %(order_id)s AND state = 'reserved'
    RETURNING station_id, sku, qty
)
UPDATE part_stock s SET on_hand = s.on_hand - p.qty, reserved = s.reserved - p.qty
FROM picked p WHERE s.station_id = p.station_id AND s.sku = p.sku;

-- finish_bookings --
UPDATE bookings SET state = 'done' WHERE order_id = %(order_id)s AND state IN ('held', 'booked');

-- move_booking --
-- Work that has waited beyond its time begins now.
UPDATE bookings SET bay_id = %(bay_id)s, technician_id = %(technician_id)s,
    slot = CASE WHEN upper(slot) > %(now)s THEN slot
                ELSE tstzrange(%(now)s, %(now)s + (upper(slot) - lower(slot))) END
WHERE order_id = %(order_id)s AND state = 'booked';

-- fetch_needs --
-- Skills and bays of the agreed work, and whether it touches high voltage.
SELECT coalesce(array_agg(DISTINCT p.skill) FILTER (WHERE p.skill IS NOT NULL), '{}') AS skills,
       coalesce(array_agg(DISTINCT p.bay_kind) FILTER (WHERE p.bay_kind <> 'any'), '{}') AS bay_kinds,
       coalesce(bool_or(p.skill LIKE 'HV%%' OR p.bay_kind = 'hv'), false) OR coalesce(bool_or(j.needs_hv), false)
           AS is_hv
FROM repair_orders o
LEFT JOIN order_lines l ON l.order_id = o.order_id AND l.kind = 'labour'
LEFT JOIN labour_operations p ON p.tenant_id = o.tenant_id AND p.operation = l.code
LEFT JOIN repair_jobs j ON j.tenant_id = o.tenant_id AND j.failure_mode = o.failure_mode
WHERE o.order_id = %(order_id)s;

-- find_bay --
SELECT bay_id, name, kinds FROM bays
WHERE station_id = %(station_id)s AND is_open AND (name = %(name)s OR bay_id = %(bay_id)s);

-- find_technician --
SELECT technician_id, name, skills FROM technicians
WHERE station_id = %(station_id)s AND is_active AND (name = %(name)s OR technician_id = %(technician_id)s);

-- insert_signoff --
INSERT INTO order_signoffs (order_id, kind, technician_id, measured_v, at)
VALUES (%(order_id)s, %(kind)s, %(technician_id)s, %(measured_v)s, %(now)s);

-- upsert_rating --
INSERT INTO order_ratings (order_id, station_stars, warning_stars, comment, rated_at)
VALUES (%(order_id)s, %(station_stars)s, %(warning_stars)s, %(comment)s, %(now)s)
ON CONFLICT (order_id) DO UPDATE SET station_stars = excluded.station_stars,
    warning_stars = excluded.warning_stars, comment = excluded.comment, rated_at = excluded.rated_at;

-- reserve_part --
WITH taken AS (
    UPDATE part_stock SET reserved = reserved + %(qty)s
    WHERE station_id = %(station_id)s AND sku = %(sku)s AND on_hand - reserved >= %(qty)s
    RETURNING station_id, sku
)
INSERT INTO part_reservations (order_id, station_id, sku, qty, state)
SELECT %(order_id)s, station_id, sku, %(qty)s, 'reserved' FROM taken
ON CONFLICT (order_id, sku) DO UPDATE SET
    station_id = excluded.station_id, qty = excluded.qty, state = 'reserved', arrival_id = NULL;

-- fetch_operations --
SELECT operation, name_en, name_zh, skill, bay_kind, warranty FROM labour_operations
WHERE tenant_id = %(tenant_id)s AND operation = ANY(%(operations)s) ORDER BY array_position(%(operations)s, operation);

-- fetch_parts --
SELECT sku, name_en, name_zh, unit_price, warranty FROM parts
WHERE tenant_id = %(tenant_id)s AND sku = ANY(%(skus)s) ORDER BY array_position(%(skus)s, sku);
