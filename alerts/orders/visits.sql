-- Findings that wait for a visit to the workshop, and the visits they are offered with.

-- fetch_findings --
-- Each raised alert that nothing is ordered for, with a visit of its vehicle for which it has not been looked at yet: of
-- one visit, or all. What is a part of a visit itself is none. What operations dismissed stays dismissed, and silence
-- is nothing that a workshop repairs.
SELECT o.order_id AS visit_id, o.vehicle_id, a.alert_id
FROM repair_orders o JOIN alerts a USING (vehicle_id)
LEFT JOIN repair_orders r ON r.order_id = a.order_id
WHERE o.mode <> 'mobile' AND o.station_id IS NOT NULL AND upper(o.slot) > %(now)s
  AND (o.state = ANY(%(at_work)s) OR (o.state IN ('booked', 'dispatched') AND o.severity <> ALL(%(urgent)s)))
  AND a.state IN ('open', 'acknowledged') AND a.failure_mode = ANY(%(modes)s)
  AND (a.order_id IS NULL OR (r.state IN ('declined', 'cancelled') AND r.trip_id IS NULL))
  AND NOT EXISTS (SELECT FROM visit_findings f WHERE (f.visit_id, f.alert_id) = (o.order_id, a.alert_id))
  AND NOT EXISTS (SELECT FROM visit_findings f WHERE f.order_id = o.order_id AND f.visit_id <> o.order_id)
  AND (%(visit_id)s::bigint IS NULL OR o.order_id = %(visit_id)s)
ORDER BY o.order_id, a.severity, a.alert_id LIMIT %(limit)s;

-- fetch_visit --
-- The vehicle is free from the end of what is booked of it there on.
SELECT o.order_id, o.station_id, o.distance_km, o.is_distance_estimated,
       greatest(upper(o.slot), (SELECT max(upper(b.slot)) FROM bookings b
                                WHERE b.order_id = o.order_id AND b.state = 'booked')) AS ends
FROM repair_orders o WHERE o.order_id = %(order_id)s;

-- fetch_alert --
SELECT a.vehicle_id, a.prediction_id, a.alert_id, a.component, a.failure_mode, a.severity, a.state, a.first_seen,
       a.last_seen, a.raised_at, a.cleared_at, a.quiet_since, a.occurrence_count, a.order_id, r.repaired_at
FROM alerts a LEFT JOIN repair_orders r ON r.order_id = a.order_id
WHERE a.alert_id = %(alert_id)s FOR UPDATE OF a;

-- fetch_alert_vehicle --
SELECT vehicle_id FROM alerts WHERE alert_id = %(alert_id)s;

-- fetch_prediction --
SELECT prediction_id, vehicle_id, component, failure_mode, severity, probability, horizon_h, ttt_p10_h, ttt_p50_h,
       ttt_p90_h, predicted_at, data_time, since, window_from, window_to, reasons, model_version, origin, is_fresh
FROM predictions WHERE prediction_id = %(prediction_id)s;

-- insert_finding --
INSERT INTO visit_findings (visit_id, alert_id, order_id, reason, at)
VALUES (%(visit_id)s, %(alert_id)s, %(order_id)s, %(reason)s, %(now)s);
