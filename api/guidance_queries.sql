-- What helps a technician; whether the caller may see the order has been decided before.

-- fetch_codes --
-- Trouble codes of the order's vehicle that failed and were confirmed (ISO 14229-1 status bits 0 and 3; a code
-- without status counts) within 30 days, and what the station has read out itself.
SELECT code, ecu, max(last_seen) AS last_seen FROM (
    SELECT c.code, c.ecu, c.time AS last_seen
    FROM trouble_codes c JOIN repair_orders o USING (vehicle_id)
    WHERE o.order_id = %(order_id)s AND c.time > %(now)s::timestamptz - interval '30 days'
        AND (c.status IS NULL OR c.status & 9 <> 0)
    UNION ALL
    SELECT unnest(f.trouble_codes), NULL, f.found_at FROM order_findings f WHERE f.order_id = %(order_id)s
) seen
GROUP BY code, ecu ORDER BY 3 DESC, 1 LIMIT 20;

-- fetch_requests --
-- What was asked of the order's vehicle, newest first, with its answer: the newest event of that name. Its time is
-- the vehicle's own, so that a day is left to a clock that is off.
SELECT r.request_id, r.signals, r.asked_at, split_part(r.asked_by, ':', 2) AS asked_by, r.sent_at, r.expires_at,
    e.received AS answered_at, e.data AS answer, m.wheels
FROM reading_requests r
JOIN vehicles v USING (vehicle_id)
JOIN vehicle_models m USING (model_id)
LEFT JOIN LATERAL (
    SELECT received, data FROM vehicle_events e
    WHERE e.vehicle_id = r.vehicle_id AND e.kind = 'answer' AND e.code = r.request_id::text
        AND e.time BETWEEN r.asked_at - interval '1 day' AND r.expires_at + interval '1 day'
    ORDER BY e.time DESC LIMIT 1
) e ON true
WHERE r.order_id = %(order_id)s
ORDER BY r.asked_at DESC, r.request_id LIMIT 10;
