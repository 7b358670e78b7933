-- What became of predictions and repairs.

-- report_precision --
-- Of what each predictor and version led to, what technicians confirmed; by station and in all (station NULL).
SELECT l.failure_mode, coalesce(l.model_version, '') AS model_version, s.code AS station,
    count(*) FILTER (WHERE l.outcome = 'confirmed') AS confirmed,
    count(*) FILTER (WHERE l.outcome = 'other') AS other,
    count(*) FILTER (WHERE l.outcome = 'no_fault_found') AS no_fault_found,
    avg(r.warning_stars)::float8 AS warning_stars
FROM outcomes l
LEFT JOIN stations s USING (station_id)
LEFT JOIN order_ratings r USING (order_id)
WHERE l.tenant_id = %(tenant_id)s AND l.decided_at >= %(since)s
GROUP BY GROUPING SETS ((l.failure_mode, l.model_version), (l.failure_mode, l.model_version, s.code))
HAVING GROUPING(s.code) = 1 OR s.code IS NOT NULL
ORDER BY l.failure_mode, model_version, GROUPING(s.code) DESC, s.code
LIMIT 1000;

-- report_service --
-- A repair is fixed at the first time when nothing was done again and the same fault did not come back in 30 days;
-- a promise is kept when the vehicle was ready by the end of its appointment.
SELECT s.code AS station, count(*) AS ended,
    count(*) FILTER (WHERE l.outcome <> 'no_fault_found' AND o.state = 'closed') AS repaired,
    count(*) FILTER (WHERE l.outcome <> 'no_fault_found' AND o.state = 'closed' AND NOT e.is_reworked
        AND NOT EXISTS (SELECT FROM repair_orders n WHERE n.vehicle_id = o.vehicle_id AND n.component = o.component
            AND n.failure_mode = o.failure_mode AND n.order_id <> o.order_id
            AND n.opened_at BETWEEN l.decided_at AND l.decided_at + interval '30 days')) AS fixed_first_time,
    count(*) FILTER (WHERE e.ready_at IS NOT NULL AND o.slot IS NOT NULL) AS promised,
    count(*) FILTER (WHERE e.ready_at <= upper(o.slot)) AS kept,
    count(*) FILTER (WHERE l.outcome = 'no_fault_found') AS no_fault_found,
    count(r.order_id) AS rated, avg(r.station_stars)::float8 AS station_stars
FROM outcomes l
JOIN repair_orders o USING (order_id)
JOIN stations s ON s.station_id = l.station_id
LEFT JOIN order_ratings r USING (order_id)
CROSS JOIN LATERAL (
    SELECT min(at) FILTER (WHERE to_state = 'ready') AS ready_at,
        coalesce(bool_or(to_state = 'rework'), false) AS is_reworked
    FROM order_events v WHERE v.order_id = o.order_id
) e
WHERE l.tenant_id = %(tenant_id)s AND l.decided_at >= %(since)s
GROUP BY s.code ORDER BY s.code LIMIT 1000;

-- report_failures --
-- Confirmed failures of groups of vehicles: how many vehicles of the group had one, beside the whole fleet. A batch is
-- a vehicle model with model year and plant, the tenth and eleventh character of the VIN (ISO 3779, ISO 3780). A
-- supplier is that of the part removed, among all vehicles of a model: which of them carry it is not known.
WITH members AS (
    SELECT v.vehicle_id, CASE %(by)s
        WHEN 'model' THEN v.model_id
        WHEN 'supplier' THEN v.model_id
        WHEN 'batch' THEN v.model_id || ' ' || substr(v.vin, 10, 1) || '/' || substr(v.vin, 11, 1)
        WHEN 'firmware' THEN v.model_id || ' ' || coalesce(v.firmware, '?') END AS label
    FROM vehicles v WHERE v.tenant_id = %(tenant_id)s AND v.retired_at IS NULL
), sizes AS (
    SELECT label, count(*) AS vehicles FROM members GROUP BY label
), found AS (
    SELECT l.failure_mode, m.label, m.vehicle_id,
        m.label || CASE %(by)s WHEN 'supplier' THEN ' ' || coalesce(p.supplier, '?') ELSE '' END AS name
    FROM outcomes l JOIN members m USING (vehicle_id)
    LEFT JOIN parts p ON p.tenant_id = l.tenant_id AND p.sku = l.part_removed
    WHERE l.tenant_id = %(tenant_id)s AND l.decided_at >= %(since)s AND l.outcome = 'confirmed'
        AND (%(by)s <> 'supplier' OR l.part_removed IS NOT NULL)
), failed AS (
    SELECT failure_mode, label, name, count(*) AS failures, count(DISTINCT vehicle_id) AS failed_vehicles
    FROM found GROUP BY failure_mode, label, name
), fleet AS (
    SELECT failure_mode, count(DISTINCT vehicle_id) AS fleet_failed_vehicles FROM found GROUP BY failure_mode
)
SELECT f.failure_mode, f.name AS label, f.failures, f.failed_vehicles, s.vehicles, t.fleet_failed_vehicles,
    (SELECT sum(vehicles) FROM sizes)::bigint AS fleet_vehicles
FROM failed f JOIN sizes s USING (label) JOIN fleet t USING (failure_mode)
ORDER BY f.failed_vehicles::float8 / s.vehicles DESC, f.failure_mode, f.name LIMIT 1000;

-- report_guarantee --
-- Vehicles near the limits of the buyer's guarantee: days in the workshop, waits for parts among them and stays that
-- overlap counted once, and repairs of one fault. A stay ends when the vehicle is ready, or with the order. What was
-- opened after the guarantee had ended does not count; where the first day in service is not known, all does.
WITH ends AS (
    SELECT v.vehicle_id, v.time_zone, (v.in_service_on + make_interval(months => %(term_months)s))::date AS last_day,
        (d.readings ->> 'odometer')::float8 AS odometer_km
    FROM vehicles v LEFT JOIN vehicle_latest d ON d.vehicle_id = v.vehicle_id AND d.family = 'drive'
    WHERE v.tenant_id = %(tenant_id)s AND v.retired_at IS NULL
), counted AS (
    SELECT o.order_id, o.vehicle_id, o.repaired_at FROM repair_orders o JOIN ends g USING (vehicle_id)
    WHERE o.opened_at >= %(since)s AND coalesce(o.odometer_in_km, 0) <= %(term_km)s
        AND (g.last_day IS NULL OR (o.opened_at AT TIME ZONE g.time_zone)::date <= g.last_day)
), stays AS (
    SELECT o.vehicle_id, o.order_id, min(e.at) FILTER (WHERE e.to_state = 'checked_in') AS came,
        min(e.at) FILTER (WHERE e.to_state IN ('ready', 'no_fault_found', 'declined', 'cancelled')) AS went
    FROM counted o JOIN order_events e USING (order_id)
    GROUP BY o.vehicle_id, o.order_id
), merged AS (
    SELECT vehicle_id, range_agg(tstzrange(came, greatest(came, coalesce(went, %(now)s)))) AS spans
    FROM stays WHERE came IS NOT NULL GROUP BY vehicle_id
), days AS (
    SELECT vehicle_id, (SELECT extract(epoch FROM sum(upper(s) - lower(s))) / 86400 FROM unnest(spans) s)::float8
        AS repair_days
    FROM merged
), repeats AS (
    SELECT DISTINCT ON (l.vehicle_id) l.vehicle_id, l.component, l.failure_mode, count(*) AS repairs
    FROM outcomes l JOIN counted o USING (order_id)
    WHERE l.decided_at >= %(since)s AND l.outcome <> 'no_fault_found'
        AND o.repaired_at IS NOT NULL
    GROUP BY l.vehicle_id, l.component, l.failure_mode
    ORDER BY l.vehicle_id, count(*) DESC, l.component, l.failure_mode
)
SELECT v.vin, v.model_id AS model, coalesce(d.repair_days, 0) AS repair_days, coalesce(r.repairs, 0) AS repairs,
    r.component, r.failure_mode, v.in_service_on, g.odometer_km,
    CASE WHEN g.last_day < (%(now)s AT TIME ZONE g.time_zone)::date OR g.odometer_km > %(term_km)s THEN false
         WHEN g.last_day IS NOT NULL AND g.odometer_km IS NOT NULL THEN true END AS is_in_term
FROM vehicles v JOIN ends g USING (vehicle_id) LEFT JOIN days d USING (vehicle_id)
LEFT JOIN repeats r USING (vehicle_id)
WHERE (d.repair_days >= 0.8 * %(most_days)s OR r.repairs >= %(most_repairs)s)
ORDER BY greatest(coalesce(d.repair_days, 0) / %(most_days)s, coalesce(r.repairs, 0)::float8 / %(most_repairs)s) DESC, v.vin
LIMIT 1000;
