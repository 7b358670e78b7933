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
